"""The Coach Portal: where coaches give care. A page is a folder with its ``page.py`` and its
templates.
"""
