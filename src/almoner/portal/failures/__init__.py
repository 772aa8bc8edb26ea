"""What could not be done by itself, in the inbox of whoever administers."""
