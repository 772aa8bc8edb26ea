"""The audit trail: who read and changed what, and of which patients; searched, and handed over as a
file.
"""
