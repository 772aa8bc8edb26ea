"""The lists and editors of the groups of a program."""
