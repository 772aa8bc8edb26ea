"""What a row must be to be written, beside what each of its fields must be: the rules of its
collection and of the program.
"""

from __future__ import annotations

from almoner.data_api import decode, nested
from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.kinds import Problems


def refused(
    resource: Resource, row: Row, program: Program, named: frozenset[str] | None, before: Problems
) -> Problems:
    """What the program and the rules refuse of a row and of those that come with it. ``named`` and
    ``before``: see decode.check.
    """
    problems = decode.check(resource, row, program, named, before)
    return (
        problems if named is not None else problems + nested.check(resource, row, program, before)
    )


async def ask(
    connection: Connection, environment_id: int, resource: Resource, body: Row, row: Row
) -> None:
    """Asks the questions that the fields of ``body`` raise about a row. Raises ApiError with what
    the answers refuse.
    """
    problems: Problems = []
    for question in resource.questions:
        if question.asked(body):
            records = await connection.fetch(
                question.sql, environment_id, *(row.get(name) for name in question.fields)
            )
            question.rule(row, records, problems)
    if problems:
        raise ApiError(problems)
