"""Forms as those who fill them in see them."""
