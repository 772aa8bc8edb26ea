"""What the objects that the Workshop administers have in common: the permission, and the frame."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from almoner.pages.objects.pages import ObjectPages
from almoner.workshop.pages.frame import Frame, frame

T = TypeVar("T")


class WorkshopPages(ObjectPages[T]):
    """The pages of a kind of object of the Workshop."""

    may: ClassVar[str] = "integrate"
    layout: ClassVar[str] = "workshop/pages/workshop.html"

    async def frame(self) -> Frame:
        return await frame(self.visit, self.connection)
