"""The programs that may use the API: their scopes, their secrets and tokens for testing."""
