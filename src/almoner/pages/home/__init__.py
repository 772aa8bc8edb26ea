"""The start: on to the first room that the visitor may enter."""
