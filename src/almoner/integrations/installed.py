"""The integrations that are installed, and what each environment has set for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final, get_origin, get_type_hints

import msgspec
import structlog

from almoner.access import grants, policy, worker_events
from almoner.access.grants import Grant
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import ApiError, Problem, problem
from almoner.integrations.declare import Integration
from almoner.operations.logs import fault

GROUP: Final = "almoner.integrations"
_READ: Final = (
    "SELECT settings::text, sealed, scopes, enabled FROM integrations WHERE environment_id = $1 AND"
    " name = $2"
)
_WRITE: Final = """
INSERT INTO integrations (environment_id, name, settings, sealed, scopes, enabled)
    VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, name) DO UPDATE
SET settings = excluded.settings, sealed = excluded.sealed, scopes = excluded.scopes,
    enabled = excluded.enabled,
  changed_at = clock_timestamp()
"""
_ALL: Final = """
SELECT name, enabled, scopes, changed_at, schedule, zone, next_at, hook_way FROM integrations
WHERE environment_id = $1
"""


@dataclass(frozen=True, slots=True)
class Configured:
    """An integration as an environment has it: its settings, secrets opened, and the scopes that it
    was granted.
    """

    settings: msgspec.Struct
    scopes: tuple[str, ...]


@cache
def installed() -> Mapping[str, Integration]:
    """Every integration that a package names, by its name. One that cannot be imported is told to
    the log and left out.
    """
    integrations: dict[str, Integration] = {}
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
            assert isinstance(loaded, Integration)
            assert loaded.begins
        except Exception as error:
            structlog.get_logger().error(
                "an integration cannot be loaded", name=point.name, **fault(error)
            )
            continue
        integrations[loaded.name] = loaded
    return integrations


def named(name: str, known: Mapping[str, Integration] | None = None) -> Integration:
    """The integration of this name. Raises a 404 ApiError that says which there are."""
    there = installed() if known is None else known
    if name not in there:
        listed = ", ".join(sorted(there)) or "none"
        raise problem("not_found", f"There is no integration {name[:100]}. Installed: {listed}.")
    return there[name]


async def configure(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    integration: Integration,
    changed: Mapping[str, Any],
    enabled: bool = True,
    by: By = AT_THE_TERMINAL,
) -> tuple[str, ...]:
    """Sets what is given of an integration's settings and leaves the others; grants the scopes that
    it asks for, and answers with these.

    Raises ApiError: 400 where a setting does not fit, 403 where ``by`` may not hand on a scope.
    """
    row = await connection.fetchrow(_READ, environment_id, integration.name)
    values = _values(row, box, environment_id, integration.name) | dict(changed)
    every: dict[str, Any] = {}
    scopes: tuple[str, ...] = ()
    # Who only switches off what was never set up needs no settings for that.
    if enabled or values:
        settings_as_set = _converted(integration, values)
        every = msgspec.to_builtins(settings_as_set)
        scopes = scopes_for(integration, settings_as_set)
    grants.require(by.holds, Grant(scopes))
    values = {name: every[name] for name in values}
    secret = {name: values.pop(name) for name in integration.secrets if name in values}
    sealed = (
        box.seal(msgspec.json.encode(secret).decode(), sealed_for(environment_id, integration.name))
        if secret
        else None
    )
    settings = msgspec.json.encode(values).decode()
    await connection.execute(
        _WRITE,
        environment_id,
        integration.name,
        settings,
        sealed,
        list(scopes),
        enabled,
    )
    before = None
    if row is not None:
        before = _state(msgspec.json.decode(row["settings"]), row["scopes"], row["enabled"])
    new = sorted(set(changed) & set(secret))
    await worker_events.changed(
        connection,
        environment_id,
        "integration set",
        by,
        f"integration:{integration.name}",
        before=before,
        after=_state(values, scopes, enabled) | dict.fromkeys(new, "another one"),
    )
    return scopes


def _state(settings: Mapping[str, Any], scopes: Sequence[str], enabled: bool) -> dict[str, Any]:
    """What an event tells of an integration: no secret."""
    return {**settings, "scopes": list(scopes), "enabled": enabled}


async def stored(
    connection: Connection, box: SecretBox, environment_id: int, integration: Integration
) -> tuple[dict[str, Any], frozenset[str]]:
    """The settings that an environment has set but for the secrets, and the names of these."""
    row = await connection.fetchrow(_READ, environment_id, integration.name)
    values = _values(row, box, environment_id, integration.name)
    secrets = frozenset(name for name in integration.secrets if name in values)
    return {name: value for name, value in values.items() if name not in secrets}, secrets


async def configured(
    connection: Connection, box: SecretBox, environment_id: int, integration: Integration
) -> Configured:
    """What an environment has set. Raises ApiError where it has switched the integration off, or a
    setting is missing.
    """
    row = await connection.fetchrow(_READ, environment_id, integration.name)
    if row is not None and not row["enabled"]:
        raise problem(
            "bad_request",
            f"The integration {integration.name} is switched off in this environment.",
        )
    values = _values(row, box, environment_id, integration.name)
    return Configured(_converted(integration, values), tuple(row["scopes"]) if row else ())


async def all_configured(connection: Connection, environment_id: int) -> dict[str, dict[str, Any]]:
    """What an environment has of each integration that it ever set: whether it is on, the scopes,
    when that was changed.
    """
    return {row["name"]: dict(row) for row in await connection.fetch(_ALL, environment_id)}


def missing_scopes(integration: Integration, granted: Sequence[str]) -> tuple[str, ...]:
    """What the integration asks for by now and was not granted."""
    # What depends on the settings was worked out when they were made.
    return policy.beyond(integration.scopes, granted)


def scopes_for(integration: Integration, settings: msgspec.Struct) -> tuple[str, ...]:
    """What the integration asks for with these settings. Raises a 400 ApiError where there is no
    such scope.
    """
    scopes = tuple(dict.fromkeys((*integration.scopes_of(settings), *integration.scopes)))
    policy.parse(" ".join(scopes) or policy.ALL)
    return scopes


def sealed_for(environment_id: int, name: str) -> str:
    """What secrets of an integration are sealed for."""
    return f"integration {environment_id}/{name}"


def _values(row: Any, box: SecretBox, environment_id: int, name: str) -> dict[str, Any]:
    if row is None:
        return {}
    values: dict[str, Any] = msgspec.json.decode(row["settings"])
    if row["sealed"] is not None:
        values |= msgspec.json.decode(box.open(row["sealed"], sealed_for(environment_id, name)))
    return values


def _converted(integration: Integration, values: Mapping[str, Any]) -> msgspec.Struct:
    try:
        values = {name: _from_text(integration, name, value) for name, value in values.items()}
        # What a command or a form gives is text: numbers and switches are read from it.
        return msgspec.convert(values, integration.settings, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        detail = (
            f"The settings of {integration.name} do not fit: {error}. Set them with: almoner"
            f" integration set {integration.name} NAME=VALUE"
        )
        # The message names the place where there is one: "... - at `$.base_url`".
        reason, _, at = str(error).partition(" - at `$.")
        named = at.partition(".")[0].partition("[")[0].rstrip("`")
        extra = {"reason": reason, "setting": named}
        raise ApiError(Problem("bad_request", detail, extra)) from None


def _from_text(integration: Integration, name: str, value: Any) -> Any:
    """A mapping or a list that a command gives as JSON."""
    kind = get_origin(get_type_hints(integration.settings).get(name))
    return msgspec.json.decode(value) if kind in (dict, list) and isinstance(value, str) else value
