"""Patients: finding, listing, creating and merging them."""
