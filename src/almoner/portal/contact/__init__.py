"""How a patient is reached, and what they consented to; their name, address and ids elsewhere."""
