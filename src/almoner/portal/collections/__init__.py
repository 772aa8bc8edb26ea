"""The page and the card of each collection about a patient that has none of its own: made of its declaration."""
