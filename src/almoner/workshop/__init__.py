"""Where a care program is designed: from a file or a page, through checks, to an immutable
published version.
"""
