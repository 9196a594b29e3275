"""One paper = one file; the file's name is the command line's name and the registry."""
