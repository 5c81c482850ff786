"""The programs that train: the tool itself, faster and losing nothing, in one process or more."""
