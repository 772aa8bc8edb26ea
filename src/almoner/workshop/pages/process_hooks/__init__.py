"""Hooks of processes: addresses by which other systems set them off."""
