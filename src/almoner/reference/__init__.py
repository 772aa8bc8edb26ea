"""The reference for those who write programs against the API: the pages under ``/docs``, and the generated pages of the docs."""
