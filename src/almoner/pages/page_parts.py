"""What the composition root builds for pages, and hands to each with its request."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from almoner.access.audit import ReadAudit
from almoner.access.oidc import Oidc
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Sessions
from almoner.access.sign_in import SignIn
from almoner.changes.watch import Watch
from almoner.data_api.store import Store
from almoner.data_api.writes import Programs
from almoner.database import Database
from almoner.database.query_cache import QueryCache
from almoner.pages.health_looks import Health
from almoner.pages.render import Renderer
from almoner.pages.security import Cookies
from almoner.pages.sent_forms import SentForms

# What a form has besides a file, in bytes.
_BESIDE_A_FILE: Final = 16_384


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """What pages work with. ``url`` is the public address of the server, without a final slash.

    ``private_targets``: whether notifications may go to private addresses and without TLS;
    ``trusted``: the certificates that their receivers may have. ``oidc`` is None where workers sign
    in with a password only. ``inactive_days``: after so many without anything happening a patient
    comes up in the inbox. ``health`` looks at the installation."""

    database: Database
    store: Store
    programs: Programs
    box: SecretBox
    sessions: Sessions
    renderer: Renderer
    cookies: Cookies
    url: str
    body_limit: int
    import_rows: int
    audit: ReadAudit
    private_targets: bool
    trusted: SSLContext
    passwords: Passwords
    sign_in: SignIn
    oidc: Oidc | None
    watch: Watch
    query_cache: QueryCache
    inactive_days: int
    sent_forms: SentForms
    health: Health

    @property
    def import_bytes(self) -> int:
        """The longest file that a form takes along, in bytes: as base64 it is a third longer."""
        return (self.body_limit - _BESIDE_A_FILE) * 3 // 4
