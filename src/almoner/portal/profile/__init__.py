"""The profile of a patient: who they are, what happened, and what is beside it."""
