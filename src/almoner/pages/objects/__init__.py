"""The pages of objects: what access is administered by, each kind with a list, a form, a page of
its own and what can be done.
"""
