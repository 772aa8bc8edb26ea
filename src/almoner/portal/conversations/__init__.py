"""Conversations with a patient: what was written to whom and when, and recording what was sent
elsewhere.
"""
