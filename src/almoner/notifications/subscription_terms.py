"""The terms of a subscription as a subscriber states them: decoded and checked, every problem at
once (clarification 6).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from almoner.errors import Problem, parse_problem
from almoner.notifications.subscription import BEARER_JWT, TOKEN_EXCHANGE, usual_audience
from almoner.outbound import targets
from almoner.vocabulary.contact_kinds import VISIBLE
from almoner.vocabulary.fields import add_unknown, missing_field, printable
from almoner.vocabulary.kinds import Boolean, Kind, Problems, Schema, Text

WAYS: Final = (TOKEN_EXCHANGE, BEARER_JWT)
LONGEST_NAME: Final = 200
LONGEST_URL: Final = 2048
# What is shown of a subscription besides its terms: sent back with them, it is ignored
# (clarification 9).
READ_ONLY: Final = (
    "id",
    "lag_seconds",
    "failures",
    "failing_since",
    "next_attempt_at",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed here: the collections that can be subscribed to, and whether a target may be
    private or without TLS.
    """

    collections: Collection[str]
    private_targets: bool


@dataclass(frozen=True, slots=True)
class SubscriptionTerms:
    """What a subscriber asks for. ``client_secret`` is None where an earlier one stays,
    ``token_url`` where none is used.
    """

    name: str
    notify_url: str
    resources: tuple[str, ...]
    authentication: str
    client_id: str
    client_secret: str | None
    audience: str
    token_url: str | None
    paused: bool


# How the host and the port of a target are written, for whoever reads the schema.
_LABEL: Final = "[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"
_NAME: Final = rf"({_LABEL}\.)*[a-zA-Z]([a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?\.?"
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"{_BYTE}(\.{_BYTE}){{3}}"
_PORT: Final = (
    "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
)

# A line without control characters, and with a character in it that can be seen.
_LINE: Final = re.compile(rf"[^\x00-\x1f\x7f-\x9f]*{VISIBLE}[^\x00-\x1f\x7f-\x9f]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Short(Text):
    """A text of one line that people read and an index can hold."""

    longest: int = LONGEST_NAME

    name: ClassVar[str] = "string"

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        line = type(value) is str and len(value) <= self.longest and _LINE.fullmatch(value)
        if line and not _SURROGATE.search(value):
            return value
        hint = f"a line of 1 to {self.longest} characters is expected, with something to be seen"
        problems.append(parse_problem(self.name, path, hint))
        return None

    def schema(self) -> Schema:
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": self.longest,
            "pattern": f"^{_LINE.pattern}$",
        }


class NotifyTarget(Kind):
    """An address that the notifier sends to. What is wrong with one is said in words."""

    name = "url"

    def __init__(self, private: bool) -> None:
        self._private = private

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        wrong = _wrong_with(value, self._private)
        if wrong is None:
            return value
        problems.append(parse_problem(self.name, path, wrong))
        return None

    def schema(self) -> Schema:
        # A name, an IPv4 or an IPv6 address; that it is not one inside the house is looked at when
        # it is used.
        scheme = "[hH][tT][tT][pP][sS]?" if self._private else "[hH][tT][tT][pP][sS]"
        path = '([/?][!-"$-~]*)?'
        return {
            "type": "string",
            "format": "uri",
            "maxLength": LONGEST_URL,
            "pattern": (
                rf"^{scheme}://({_NAME}|{_IPV4}|\[[0-9a-fA-F:.]{{2,45}}\])(:{_PORT})?{path}$"
            ),
        }


class Resources(Kind):
    """The collections to be told of, each named: never all there will ever be."""

    name = "resources"

    def __init__(self, known: Collection[str]) -> None:
        self._known = sorted(known)

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is not list or not value:
            problems.append(
                parse_problem(self.name, path, "a list of at least one collection is expected")
            )
            return None
        for index, item in enumerate(value):
            if type(item) is not str or item not in self._known:
                detail = (
                    f"there is no collection {printable(item)}"
                    if type(item) is str
                    else "the name of a collection is expected"
                )
                hint = f"{detail}; they are {', '.join(self._known)}"
                problems.append(parse_problem("collection", f"{path}[{index}]", hint))
        return tuple(dict.fromkeys(map(str, value)))

    def schema(self) -> Schema:
        items = {"type": "string", "enum": self._known}
        return {"type": "array", "items": items, "minItems": 1}


class AuthenticationMethod(Kind):
    """How the notifier authenticates at the URL: a token that is exchanged, or an assertion sent
    along (clarification 27).
    """

    name = "enum"
    hint = f"one of {', '.join(WAYS)} is expected"

    def parse(self, value: Any) -> str:
        if value not in WAYS:
            raise ValueError
        way: str = value
        return way

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(WAYS)}


def kinds(rules: Rules) -> dict[str, Kind]:
    """The kind of each term, in the order in which they are shown."""
    return {
        "name": Short(),
        "notify_url": NotifyTarget(rules.private_targets),
        "resources": Resources(rules.collections),
        "authentication": AuthenticationMethod(),
        "client_id": Short(),
        "client_secret": Short(1000),
        "audience": Short(LONGEST_URL),
        "token_url": NotifyTarget(rules.private_targets),
        "paused": Boolean(),
    }


REQUIRED: Final = ("name", "notify_url", "resources", "client_id", "client_secret")
CLEARABLE: Final = ("audience", "token_url")


def parse_terms(
    body: Mapping[str, Any], rules: Rules, before: SubscriptionTerms | None, problems: Problems
) -> SubscriptionTerms:
    """The terms that these are, or that ``before`` become by them. Adds each problem; with one, the
    terms mean nothing.

    Null clears ``token_url``, and ``audience``, which then is the usual one; a usual one follows
    the terms that it comes from."""
    read = _decoded(body, kinds(rules), problems)
    if before is None:
        problems += [missing_field(f".{name}") for name in REQUIRED if name not in body]
    terms_before = (
        {}
        if before is None
        else {name: getattr(before, name) for name in SubscriptionTerms.__dataclass_fields__}
    )
    terms = {
        "authentication": TOKEN_EXCHANGE,
        "token_url": None,
        "paused": False,
        **dict.fromkeys(REQUIRED),
        **terms_before,
        **read,
    }
    if (
        before is not None
        and "audience" not in read
        and before.audience == _usual_audience(terms_before)
    ):
        terms["audience"] = None
    if (
        terms["authentication"] == TOKEN_EXCHANGE
        and not terms["token_url"]
        and "token_url" not in _unread(body, read)
    ):
        hint = (
            "a URL is expected, since tokens are exchanged; or choose bearer_jwt as authentication"
        )
        problems.append(parse_problem("url", ".token_url", hint))
    if terms["authentication"] == BEARER_JWT and terms["token_url"]:
        if read.get("token_url"):
            problems.append(
                Problem(
                    "bad_request",
                    "token_url belongs to token_exchange only.",
                    {"path": ".token_url"},
                )
            )
        terms["token_url"] = None
    terms["audience"] = terms.get("audience") or _usual_audience(terms)
    return SubscriptionTerms(**terms)


def _usual_audience(terms: Mapping[str, Any]) -> str | None:
    return usual_audience(terms["authentication"], terms["notify_url"], terms["token_url"])


def _decoded(
    body: Mapping[str, Any], known: Mapping[str, Kind], problems: Problems
) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in body.items():
        kind = known.get(key)
        if key in READ_ONLY:
            continue
        if kind is None:
            add_unknown(problems, key, "", known)
        elif value is not None:
            problems_before = len(problems)
            decoded = kind.decode(value, f".{key}", problems)
            if len(problems) == problems_before:
                read[key] = decoded
        elif key in CLEARABLE:
            read[key] = None
        else:
            problems.append(parse_problem(kind.name, f".{key}", "it cannot be null"))
    return read


def _unread(body: Mapping[str, Any], read: Mapping[str, Any]) -> set[str]:
    """What was given and did not decode: its problem is told already."""
    return {key for key in body if key not in read}


def _wrong_with(value: Any, private: bool) -> str | None:
    """What keeps this from being a target, in words; None where nothing does. Names are looked up
    when it is used.
    """
    if type(value) is not str or not 1 <= len(value) <= LONGEST_URL:
        return (
            f"a URL such as https://example.org/notifications is expected, of at most {LONGEST_URL}"
            " characters"
        )
    try:
        targets.read(value, private)
    except targets.TargetError as error:
        return f"it {error}"
    return "it must not have a fragment (#), since that is never sent" if "#" in value else None
