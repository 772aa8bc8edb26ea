"""What of a collection is a consent."""

from __future__ import annotations

from collections.abc import Mapping

from almoner.data_api.declare import Resource
from almoner.vocabulary.kinds import Consent


def consents_of(resource: Resource) -> Mapping[str, str]:
    """What each consent of a collection is called, in the order of its forms."""
    fields = (field for part in resource.by_section.values() for field in part)
    return {field.name: field.title for field in fields if isinstance(field.kind, Consent)}
