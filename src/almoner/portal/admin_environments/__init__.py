"""The environment that an administrator answers for, and its test environments, each with somebody
who can sign in to it.
"""
