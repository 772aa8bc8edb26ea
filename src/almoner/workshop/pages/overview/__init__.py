"""Where the program stands: what is live, what the draft changes, what keeps it from being
published.
"""
