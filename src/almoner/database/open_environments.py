"""Which environments what runs in the background looks after: none that moves to another database
or has arrived from one and is not open yet."""

from __future__ import annotations

from typing import Final

# A condition on ``environment_id`` of the one table that a statement reads or writes.
OPEN: Final = "environment_id IN (SELECT id FROM environments WHERE state = 'open')"
