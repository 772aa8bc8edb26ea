"""What a server is like on a bad day, for programs that are being written: a sandbox client of a
test environment asks for it by a header (docs/howto/try-a-bad-day.md).
"""
