"""A message to many patients: written once, looked at for each, and sent one after the other."""
