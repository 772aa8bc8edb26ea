"""Requests that leave the house: what a URL names is read once, and what is dialled is judged, for
every caller alike.
"""
