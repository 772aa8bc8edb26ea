"""The made-up people and records of the demo: Kiwi Health, an invented clinic. Nobody in it
exists.
"""
