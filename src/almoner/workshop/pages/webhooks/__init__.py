"""The systems that are told of changes: how that goes, and what can be done about it."""
