"""The environment that somebody works in, and those that its programs are tested in."""
