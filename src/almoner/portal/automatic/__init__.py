"""What processes do for a patient: taken back, and kept from going on, by who cares for them."""
