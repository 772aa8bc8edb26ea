"""``GET /v1/program``: the published program, for integrations that build forms and lists from it
(additive).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access.policy import PROGRAM
from almoner.access.tokens import Access
from almoner.data_api import conditions, find, shapes
from almoner.data_api.serve import ApiAnswer, ApiRequest, may, method_not_allowed
from almoner.database import Connection, Database
from almoner.errors import ApiError, parse_problem, problem
from almoner.vocabulary.fields import add_unknown
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CustomDataType
from almoner.workshop.published_programs import newest_version, outline_at, program_at

PATH: Final = "/v1/program"
# Versions are 32-bit numbers; what is longer is none.
_MOST_DIGITS: Final = 9


class ProgramApi:
    """Answers with the definition that the Data API checks against, in the newest or an older
    version.
    """

    def __init__(
        self, database: Database, access: Callable[[ApiRequest], Awaitable[Access]]
    ) -> None:
        self._database = database
        self._access = access

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """The program. Raises ApiError: 401, 403, 405, 400 for parameters that do not fit, 404
        where there is no such version.
        """
        access = await self._access(request)
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed(PATH, "GET")
        may(access.can_read(PROGRAM), f"{PROGRAM}.read")
        asked = _version(request.query)
        async with self._database.connection() as connection:
            program = await _program_json(connection, access.environment_id, asked)
        body = shapes.single(msgspec.json.encode(program), access.enveloped)
        tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        headers = [(b"etag", tag)]
        if conditions.if_none_match(request.headers, tag):
            return ApiAnswer(304, b"", headers, f"{PROGRAM}.read")
        return ApiAnswer(200, body, headers, f"{PROGRAM}.read")


def program_json(
    version: int, published_at: datetime, design: Any, versions: dict[tuple[str, str], int]
) -> dict[str, Any]:
    """A published design as the API shows it: a program file's keys, with versions and the JSON
    Schema of what fits.
    """
    values = msgspec.to_builtins(design)
    for group, kind, identity in (
        ("assessments", "assessment", "id"),
        ("custom_data_types", "custom_data_type", "name"),
    ):
        parts: tuple[Assessment | CustomDataType, ...] = getattr(design, group)
        items = []
        for part, item in zip(parts, values.get(group, []), strict=True):
            number = versions[kind, item[identity]]
            checked = (
                questions.of_assessment(part, number)
                if isinstance(part, Assessment)
                else questions.of_custom_data_type(part, number)
            )
            items.append({**item, "version": number, "schema": checked.schema()})
        if items:
            values[group] = items
    return {"version": version, "published_at": iso(published_at), **values}


async def _program_json(
    connection: Connection, environment_id: int, asked: int | None
) -> dict[str, Any]:
    newest = await newest_version(connection, environment_id)
    if newest == 0:
        raise problem("not_found", "No program has been published yet.")
    version = newest if asked is None else asked
    published = (
        await program_at(connection, environment_id, version) if 0 < version <= newest else None
    )
    outline = await outline_at(connection, environment_id, version) if published else None
    if published is None or outline is None:
        raise problem(
            "not_found", f"There is no such version of the program. The newest is {newest}."
        )
    design, published_at = published
    return program_json(
        version,
        published_at,
        design,
        {(kind, key): number for kind, key, number in outline.elements},
    )


def _version(query: bytes) -> int | None:
    problems: Problems = []
    version: int | None = None
    for name, value in find.parameters(query):
        if name != "version":
            add_unknown(problems, name, "", {"version": None}, "parameter")
        elif value.isascii() and value.isdigit() and int(value[:1000]) >= 1:
            version = int(value) if len(value) <= _MOST_DIGITS else 10**_MOST_DIGITS
        else:
            problems.append(
                parse_problem("integer", ".version", "a whole number from 1 is expected")
            )
    if problems:
        raise ApiError(problems)
    return version
