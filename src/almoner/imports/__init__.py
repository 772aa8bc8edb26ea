"""Files that administrators import: read, mapped, checked, written and taken back as work that is
remembered (decision 61).
"""
