"""Publishing: what changes, what it breaks, and the word for it."""
