"""The first day of an organisation: what there is to do, in which order, and what of it is done."""
