"""What is offered: one file a collection, named after it. A file whose name begins with ``_`` is a
part of others.

The files are found by themselves, in the alphabet's order, which is the contract's.
"""

from importlib import import_module

from almoner.data_api.declare import Resource, complete
from almoner.resources._names import NAMES

RESOURCES: tuple[Resource, ...] = tuple(
    complete(getattr(import_module(f"almoner.resources.{name}"), name)) for name in NAMES
)
BY_NAME = {r.name: r for r in RESOURCES}
