"""Copies of the whole database from which it can be made again, as it was at any moment since."""
