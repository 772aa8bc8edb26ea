"""The vocabulary that everything is declared in: what a value can be, fields made of it, days and
moments, names.
"""
