"""A receiver of notifications to start from: it checks who sends, pulls what changed, and hands on every row.

It stands on nothing of the server but the check of a signed JWT, and keeps nothing: read it as an example of what a
subscriber does.
"""
