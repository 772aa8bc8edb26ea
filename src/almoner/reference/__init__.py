"""The reference for those who write programs against the API: the pages under ``/docs``, and those
in ``docs/``.
"""

from almoner.reference.page import routes

__all__ = ["routes"]
