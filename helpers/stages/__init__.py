"""One file a command, and the road, which is all of them in order."""
