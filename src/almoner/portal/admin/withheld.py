"""What of the data a role keeps from whoever administers."""

from __future__ import annotations

from almoner.data_api.declare import Resource
from almoner.vocabulary.definitions import Rights


def withheld(rights: Rights, resource: Resource) -> str:
    """Why a role keeps a collection from being exported or imported whole; blank where it does
    not.
    """
    if not rights.all_patients and resource.patient is not None:
        return "Your role shows your own patients only, and here it is everybody’s."
    return "Your role hides some of it." if rights.hidden.get(resource.name) else ""
