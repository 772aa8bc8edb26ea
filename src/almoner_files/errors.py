"""What cannot be done with a file."""


class FileError(Exception):
    """Why a file or a mapping cannot be used, in words that say what to do."""
