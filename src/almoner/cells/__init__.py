"""Cells: an environment lives whole in one database, and moves to another by a command
(decisions 89 and 90).
"""
