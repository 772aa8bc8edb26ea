"""How any page is served: who may see it, in which shell, under which policy. It knows no page by
name.
"""
