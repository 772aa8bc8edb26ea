"""Rows as text that can be compared wherever they are."""

from __future__ import annotations

from typing import Final

# A row as text is the same wherever these are set, in a transaction.
SPELLING: Final = """
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
"""
