"""What a person may ask for: to be forgotten, and to have all that is known of them."""
