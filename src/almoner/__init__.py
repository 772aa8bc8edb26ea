"""Almoner: an open, self-hosted care-management platform."""
