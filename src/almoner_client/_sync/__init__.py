# Made by tools/client.py; `make client` makes it anew.
"""The client for threads."""
