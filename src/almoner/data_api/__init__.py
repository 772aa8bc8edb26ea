"""How any declaration is served. Nothing here knows a collection by name."""
