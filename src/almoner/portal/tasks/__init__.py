"""Tasks that a patient is shown: given, put away, brought back."""
