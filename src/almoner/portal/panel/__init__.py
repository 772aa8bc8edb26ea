"""My panel: patients as a table whose columns, order and filters each worker chooses."""
