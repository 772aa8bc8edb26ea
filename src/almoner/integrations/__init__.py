"""Integrations: what is written in Python to bring data in from other systems, or out to them
(contract: Integration Tasks).

An integration is an ``Integration`` that a package names in the group ``almoner.integrations`` of
its entry points; its tasks are functions. docs/howto/write-an-integration.md shows how one is
written."""

from almoner.integrations.declare import (
    Change,
    Integration,
    IntegrationError,
    OfHost,
    Secret,
    TemporaryError,
)
from almoner.integrations.task import Outcomes, Task

__all__ = [
    "Change",
    "Integration",
    "IntegrationError",
    "OfHost",
    "Outcomes",
    "Secret",
    "Task",
    "TemporaryError",
]
