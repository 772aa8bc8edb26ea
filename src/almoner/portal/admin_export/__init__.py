"""Whole collections as files: what leaves with the person who answers for it."""
