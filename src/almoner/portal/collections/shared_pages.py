"""Which collections stand on which page of a patient, in which order, and what the page is
called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from almoner.data_api.declare import Resource
from almoner.resources import RESOURCES

# What a page of several collections is called, and the collections that stand before the others.
_SHARED: Final = {"contact": ("Contact and consent", ("phone_numbers", "email_addresses"))}


def _together(page: str) -> Sequence[Resource]:
    first = _SHARED[page][1] if page in _SHARED else ()
    on_page = [resource for resource in RESOURCES if resource.page == page]
    return sorted(
        on_page, key=lambda shared: first.index(shared.name) if shared.name in first else len(first)
    )


# The collections of each page, by its address behind the patient's.
PAGES: Final[Mapping[str, Sequence[Resource]]] = {
    resource.page: _together(resource.page) for resource in RESOURCES if resource.page
}


def title(page: str) -> str:
    """What a page is called."""
    return _SHARED[page][0] if page in _SHARED else PAGES[page][0].things


def page_address(resource: Resource, patient_id: str) -> str:
    """The page that a patient's rows of a collection stand on."""
    return f"/patients/{patient_id}/{resource.page}"


def address(resource: Resource) -> str:
    """Where the forms of a collection go to, behind the patient's address: to the page's own
    address, or to one behind it where others share the page.
    """
    slug = resource.presented.slug
    return f"/{resource.page}/{slug}" if slug else f"/{resource.page}"
