"""The tables: those of the collections, derived from their declarations, and those of the system;
and migrating to them.
"""

from almoner.schema.tables import build, create, functions, reference_name, triggers

__all__ = ["build", "create", "functions", "reference_name", "triggers"]
