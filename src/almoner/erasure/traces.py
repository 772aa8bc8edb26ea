"""What is about a person in what others did and wrote: how an erasure and an export find it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from almoner.erasure.person import Terms, mentions

# Steps of the person's own firings, steps that wrote of them, and steps that name them. Parameters:
# the environment, three of ``Terms``, the ids of the firings and of the records.
STEPS: Final = f"""
(job_id = ANY ($5::uuid[])
  OR (epoch, xid) IN (SELECT c.epoch, c.xid FROM changes c WHERE c.environment_id = $1
    AND c.patient_id = ANY ($6::uuid[]))
  OR {mentions("(coalesce(args::text, '') || coalesce(result::text, ''))", 2)})
"""
# Views of the panel that are of the person: by what only they have, by both names, or with a filter
# that asks for the last name. Parameters: the environment and ``patterns_of_views``.
VIEWS: Final = """
environment_id = $1 AND (title || ' ' || view::text ~* ANY ($2::text[])
  OR view::text ~* ANY ($3::text[]))
"""
# The text of a message to many is of nobody. These name the person, or their last name and they
# were to have it. Parameters: the environment, ``patterns_of_texts`` and the ids of the records.
MESSAGES_TO_MANY: Final = """
environment_id = $1 AND contents <> ''
  AND (contents ~* ANY ($2::text[]) OR contents ~* ANY ($3::text[]) AND EXISTS (
    SELECT FROM bulk_recipients r WHERE r.environment_id = $1 AND r.bulk_message_id = id
      AND r.patient_id = ANY ($4::uuid[])))
"""
_EDGE: Final = "[^[:alnum:]]"


def patterns_of_views(known: Terms) -> tuple[Sequence[str], Sequence[str]]:
    """What a title or a view has in it, and what a filter asks for."""
    asked = [rf'"value": ?"([^"]*{_EDGE})?{last}({_EDGE}[^"]*)?"' for last in known.last_names]
    return known.in_prose, asked


def patterns_of_texts(known: Terms) -> tuple[Sequence[str], Sequence[str]]:
    """What a text has in it that is about the person, and their last names."""
    return known.in_prose, [f"(^|{_EDGE}){last}($|{_EDGE})" for last in known.last_names]
