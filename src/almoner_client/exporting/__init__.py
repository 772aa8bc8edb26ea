"""Rows of a collection written into a file, as of a position of the change feed."""

from almoner_client.exporting.export import Export, ExportReport

__all__ = ["Export", "ExportReport"]
