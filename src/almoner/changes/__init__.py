"""The change log: what was written, when and by whom, in an order in which nothing is ever
skipped.
"""
