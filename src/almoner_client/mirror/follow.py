"""A copy that goes on: loaded, caught up, and kept in step for as long as it runs."""

from __future__ import annotations

import time
from typing import Final

from almoner_client.errors import ConnectionFailed, ServerError, TooManyRequests
from almoner_client.mirror.copy import REPAIR, Mirror
from almoner_client.mirror.verify import verify

_WAIT: Final = 15
_PROGRAM_SECONDS: Final = 15.0
_AWAY_SECONDS: Final = 5.0


def bring_up_to_date(mirror: Mirror) -> None:
    """Loads what is not there, and follows the feed to its end; what a restored backup or new
    columns leave in doubt is compared and mended.
    """
    mirror.prepare()
    mirror.load()
    mirror.catch_up()
    _repair_what_is_in_doubt(mirror)
    mirror.destination.settled()


def follow(mirror: Mirror) -> None:
    """Follows the feed without an end. A server that is away for longer than requests are tried
    again is waited for.
    """
    looked_at = time.monotonic()
    while True:
        try:
            mirror.apply(mirror.next_page(wait=_WAIT))
            _repair_what_is_in_doubt(mirror)
            if time.monotonic() - looked_at >= _PROGRAM_SECONDS:
                looked_at = time.monotonic()
                mirror.renew_views()
                mirror.destination.settled()
        except (ConnectionFailed, ServerError, TooManyRequests) as error:
            mirror.say(f"{error}. Trying again.")
            time.sleep(max(_AWAY_SECONDS, getattr(error, "retry_after", None) or 0.0))


def _repair_what_is_in_doubt(mirror: Mirror) -> None:
    by = mirror.destination.state().get(REPAIR)
    if by is None:
        return
    mirror.say(
        "The server goes on from an earlier state, has new columns or has forgotten where this copy"
        " was: comparing every row."
    )
    mended = verify(mirror, repair=True, by=by)
    mirror.destination.write([], {REPAIR: None})
    mirror.say(f"{len(mended)} rows were mended.")
