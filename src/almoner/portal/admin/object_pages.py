"""What the objects that the portal administers have in common."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from almoner.pages.objects.pages import ObjectPages

T = TypeVar("T")


class AdminPages(ObjectPages[T]):
    """The pages of a kind of object of the administration."""

    may: ClassVar[str] = "administer"
    layout: ClassVar[str] = "portal/admin/admin.html"
