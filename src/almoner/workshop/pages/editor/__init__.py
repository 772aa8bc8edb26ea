"""Forms for the parts of a program, derived from their declaration, and how they are saved when two
people edit at once.
"""
