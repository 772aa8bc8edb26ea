"""The Workshop's pages: a folder for each, with its ``page.py`` and its templates."""
