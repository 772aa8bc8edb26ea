"""What was entered in error: it stays, struck through, with who said so and why."""
