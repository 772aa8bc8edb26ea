"""Programs for those who work on Almoner: what its rooms are, how large they are, and the pictures
and tables made of that.
"""
