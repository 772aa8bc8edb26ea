"""Logs that grow for years: their parts by month, and what of them goes once it is old."""
