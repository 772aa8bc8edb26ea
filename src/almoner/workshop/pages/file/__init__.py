"""The program as a file: taken from here, and brought back."""
