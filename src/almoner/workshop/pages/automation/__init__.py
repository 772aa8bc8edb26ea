"""What the processes of the published program do: tried, paused, and what of it has failed."""
