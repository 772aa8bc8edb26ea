"""Rows of a file written into a collection: mapped, checked, each once, every bad one reported."""

from almoner_client.importing.load import Import, LoadReport
from almoner_files.mapping import Mapping

__all__ = ["Import", "LoadReport", "Mapping"]
