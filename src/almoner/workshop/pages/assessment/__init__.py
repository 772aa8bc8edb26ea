"""The editor of one assessment."""
