"""A link with which somebody sets a password, as it is shown once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from almoner.access import reset_links
from almoner.pages.filters import moment
from almoner.pages.objects.views import NewSecret
from almoner.pages.visit import Visit
from almoner.vocabulary.names import isolated


def link_secret(visit: Visit, token: str, title: str, name: str) -> NewSecret:
    """The link of a token that was just made for whoever is called so."""
    zone = visit.worker.timezone
    ends = moment(datetime.now(UTC) + timedelta(hours=reset_links.HOURS), zone)
    about = Markup(
        "Hand it to {} and nobody else: whoever has it gets in. It is for one use and ends {} ({})."
        " Older links have ended."
    ).format(isolated(name), ends, zone)
    return NewSecret(title, about, [("link", "Link", visit.parts.url + reset_links.path(token))])
