"""Logs that grow for years: their parts by month."""
