"""How long text takes to become fairseq's binary files, here and elsewhere: ``make bench``."""
