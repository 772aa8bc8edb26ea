"""Lock and test: a revision of the draft in a test environment."""
