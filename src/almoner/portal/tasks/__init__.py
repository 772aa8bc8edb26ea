"""Tasks of workers: added anywhere, taken out of a team's pool, done."""
