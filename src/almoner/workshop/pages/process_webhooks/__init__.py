"""Webhooks of processes: addresses of other systems that they call."""
