"""What workers see and change of their own account."""
