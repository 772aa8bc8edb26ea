"""The administration of an environment: its start, and what the pages of it have in common."""
