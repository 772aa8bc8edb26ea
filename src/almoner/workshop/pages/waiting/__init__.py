"""A publish that waits for a second person: what it opens, and the word of somebody who
administers.
"""
