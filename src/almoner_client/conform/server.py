"""The server that is checked, as a program sees it that knows the contract and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

import httpx

from almoner_client import assertions
from almoner_client.options import Credentials

JSON = dict[str, Any]


class NotSoError(Exception):
    """The server does something else than the contract says."""


class NotRunError(Exception):
    """What a check needs is not there, and no call of the contract makes it."""


def holds(condition: object, otherwise: str) -> None:
    """Raises NotSoError, saying what is the case, where the condition does not hold."""
    if not condition:
        raise NotSoError(otherwise)


@dataclass
class Server:
    """The server at the credentials' URL; ``enveloped`` says which shape it is to answer in."""

    credentials: Credentials
    http: httpx.Client
    enveloped: bool = False
    audience: str | None = None
    noted: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.credentials.url.rstrip("/")

    def claims(self, **others: Any) -> JSON:
        """What an assertion says (clarification 22)."""
        return {
            "iss": self.credentials.client_id,
            "aud": self.audience or f"{self.url}/v1/token",
            "exp": int(time.time()) + 300,
            "scope": "all",
            **others,
        }

    def grant(self, secret: str | None = None, **claims: Any) -> dict[str, str]:
        """The parameters of a token request."""
        key = self.credentials.client_secret if secret is None else secret
        return {
            "grant_type": assertions.GRANT_TYPE,
            "assertion": assertions.signed(self.claims(**claims), key),
        }

    @cached_property
    def token(self) -> str:
        answer = self.http.post(f"{self.url}/v1/token", data=self.grant())
        holds(answer.status_code == 200, f"no token: {answer.status_code} {answer.text[:200]}")
        token: str = answer.json()["access_token"]
        return token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> httpx.Response:
        """An answer, whatever its status. ``path`` may be an address of this server."""
        content = raw if raw is not None or body is None else json.dumps(body).encode()
        address = path if path.startswith("http") else f"{self.url}{path}"
        return self.http.request(
            method,
            address,
            params=params,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            content=content,
        )

    def row(self, answer: httpx.Response) -> JSON:
        """The row of an answer. That success is 200 and no other 2xx, a check of its own says."""
        holds(
            answer.is_success,
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}:"
            f" {answer.text[:200]}",
        )
        value = answer.json()
        if self.enveloped:
            holds(set(value) == {"data"}, f"a row is under data alone, not {sorted(value)[:5]}")
        row: JSON = value["data"] if self.enveloped else value
        holds("id" in row, "a row is an object with its id")
        return row

    def page(self, answer: httpx.Response) -> JSON:
        """A page of an answer: the object with ``data``."""
        holds(
            answer.status_code == 200,
            f"GET {answer.request.url.path} answered {answer.status_code}: {answer.text[:200]}",
        )
        value = answer.json()
        if not self.enveloped:
            holds(
                isinstance(value, list) and len(value) == 1,
                "a Find answers with a list of one page (to a client of the enveloped shape with an"
                " object: check with --shape enveloped)",
            )
            value = value[0]
        holds(
            isinstance(value, dict) and "data" in value,
            "a page is an object with data (to a client of the documented shape it is in a list:"
            " check with --shape documented)"
            if self.enveloped
            else "a page has data",
        )
        page: JSON = value
        return page

    def current(self, page: JSON) -> JSON:
        """What a page says was used."""
        meta = page.get("links", {}).get("meta", {}) if self.enveloped else page.get("meta", {})
        holds("current" in meta, "a page says in meta.current what was used")
        current: JSON = meta["current"]
        return current

    def next_href(self, page: JSON) -> str | None:
        """The address of the next page; None where the page has none."""
        links = page.get("links", {})
        if self.enveloped:
            href = links.get("href", {})
            holds("next" not in href or href["next"], "next is absent on the last page, not null")
            holds("next" not in links or links["next"], "next is absent on the last page, not null")
            following: str | None = href.get("next")
            return following
        holds("next" not in links or links["next"], "next is absent on the last page, not null")
        holds(
            "next" not in page.get("meta", {}) or page["meta"]["next"],
            "next is absent on the last page, not null",
        )
        href_of: str | None = (links.get("next") or {}).get("href")
        return href_of

    def rows(self, path: str, params: Any = None) -> list[JSON]:
        """Every row of a Find, page after page by the addresses that the server names."""
        rows: list[JSON] = []
        page = self.page(self.call("GET", path, params=params))
        for _ in range(1000):
            rows += page["data"]
            following = self.next_href(page)
            if following is None:
                return rows
            page = self.page(self.call("GET", following))
        raise NotSoError("the pages have no end")

    def problems(self, answer: httpx.Response, status: int, code: str) -> list[JSON]:
        """The problems of a refusal with this status and code (clarification 6)."""
        what = f"{answer.request.method} {answer.request.url.path}"
        holds(
            answer.status_code == status,
            f"{what} answered {answer.status_code} where {status} is right: {answer.text[:200]}",
        )
        try:
            listed: list[JSON] = answer.json()["errors"]
        except (ValueError, KeyError, TypeError):
            raise NotSoError(f"{what} was refused without a list of errors") from None
        codes = [problem.get("code") for problem in listed]
        holds(code in codes, f"{what} was refused with {codes}, where {code} is right")
        keys = {"status", "code", "title", "detail", "extra"}
        holds(keys - {"extra"} <= set(listed[0]), f"an error has {sorted(keys)}")
        return listed

    def paths(self, problems: list[JSON]) -> set[str]:
        """The fields that problems name."""
        return {str((problem.get("extra") or {}).get("path", "")) for problem in problems}

    def patient(self, **values: Any) -> JSON:
        """A new patient."""
        return self.row(self.call("POST", "/v1/patients", self.sample() | values))

    def sample(self) -> JSON:
        """What Create of a patient takes. The phase is one that a patient of the server has; where
        there is none, ``intake``.
        """
        if "phase" not in self.noted:
            rows = self.page(self.call("GET", "/v1/patients", params={"page[size]": 1}))["data"]
            self.noted["phase"] = rows[0]["phase"] if rows else "intake"
        return {
            "phase": self.noted["phase"],
            "timezone": "US/Pacific",
            "first_name": "Conform",
            "last_name": f"Check {uuid4().hex[:12]}",
            "birthday": "1970-01-31",
        }

    def some(self, collection: str) -> JSON:
        """A row of a collection that no call of the contract creates. Raises NotRunError."""
        rows = self.page(self.call("GET", f"/v1/{collection}", params={"page[size]": 1}))["data"]
        if not rows:
            raise NotRunError(f"there is nothing in {collection}")
        row: JSON = rows[0]
        return row
