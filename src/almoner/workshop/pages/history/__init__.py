"""Versions and saves: to be read, and to be made the draft again."""
