"""Integrations in the Workshop: what is installed, its jobs, and a job as a tree of tasks."""
