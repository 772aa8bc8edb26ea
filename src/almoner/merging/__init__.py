"""Two changes of one thing brought together: values, keyed items and their order. Pure, and without
a word of what is merged.

Both changes were made from ``base``; ``theirs`` was saved first, and ``mine`` is to be saved on top
of it."""
