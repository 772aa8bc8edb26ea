"""Drawing pages: Jinja2, strict about every name, with what each template has at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from almoner.pages import filters, moment_fields, notation
from almoner.pages.options import options, suggestions
from almoner.pages.row_heights import row_height
from almoner.pages.sent_forms import TOKEN, new_token
from almoner.pages.static_files import StaticFiles
from almoner.vocabulary.consent_words import agreement
from almoner.vocabulary.definitions import Rights
from almoner.vocabulary.names import full_name, isolated

_ROOT = Path(__file__).parent.parent
# In pixels, as buttons.css has it.
_ICON_SIZE: Final = 16


class Visitor(Protocol):
    """What templates know of whoever asks for a page: ``pages.visit.Visit``, which stands above
    this.
    """

    @property
    def csrf_token(self) -> str:
        """What shows that a form comes from this page; empty where nobody has signed in."""

    @property
    def here(self) -> str:
        """The path that was asked for."""

    @property
    def rights(self) -> Rights:
        """What their roles open."""


@dataclass(frozen=True)
class Room:
    """A place of the main navigation. It is shown to whoever has one of the permissions."""

    title: str
    path: str
    may: tuple[str, ...]


class Renderer:
    """Draws templates by their path below the package, such as
    ``workshop/pages/clients/list.html``.

    ``reloading``: a template that has changed is read anew, which asks the file system at each
    page."""

    def __init__(
        self, static: StaticFiles, rooms: tuple[Room, ...], reloading: bool = False
    ) -> None:
        self._rooms = rooms
        self._icons = static.path("icons.svg")
        self._environment = Environment(
            loader=FileSystemLoader(_ROOT),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=reloading,
            cache_size=-1,
            finalize=_isolated,
        )
        self._environment.globals.update(
            static=static.path,
            csrf=_csrf,
            drawn_icon=self._icon,
            rooms=self.rooms_of,
            clock_hours=_clock_hours,
            first_weekday=_first_weekday,
            row_height=row_height,
        )
        self._environment.filters.update(
            initials=filters.initials,
            full_name=full_name,
            agreement=agreement,
            counted=filters.counted,
            day=filters.day,
            weekday=filters.weekday,
            moment=filters.moment,
            both=filters.both,
            clock=filters.clock,
            time_of_day=notation.time_of_day,
            hour_line=_hour_line,
            mark=moment_fields.mark,
            moment_hint=_moment_hint,
            moment_refused=_moment_refused,
            moment_shown=_moment_text,
            ago=filters.ago,
            on_paper=filters.on_paper,
            tel=filters.tel,
            tone=filters.tone,
            iso=filters.iso,
            options=options,
            suggestions=suggestions,
            combined=_combined,
        )

        # What nearly every template draws with is at hand in all of them.
        for name in ("parts", "forms"):
            path = f"pages/templates/{name}.html"
            macros = (
                _Reloading(self._environment, path)
                if reloading
                else self._environment.get_template(path).module
            )
            self._environment.globals[name] = macros

    def draw(self, template: str, values: Mapping[str, Any]) -> str:
        """The HTML of a template. Raises jinja2.UndefinedError where it asks for what it was not
        given.
        """
        return self._environment.get_template(template).render(values)

    def _icon(self, name: str, size: int = _ICON_SIZE) -> Markup:
        return _icon(self._icons, name, size)

    def rooms_of(self, visit: Visitor) -> list[tuple[Room, bool]]:
        """The rooms that the visitor may enter, each with whether they are in it; of several of one
        title the first.
        """
        here, open_to = visit.here, dict[str, Room]()
        for room in self._rooms:
            if visit.rights.may & {*room.may}:
                open_to.setdefault(room.title, room)
        return [
            (room, here == room.path or here.startswith(f"{room.path}/"))
            for room in open_to.values()
        ]


class _Reloading:
    """The macros of a template as its file is now."""

    def __init__(self, environment: Environment, path: str) -> None:
        self._environment = environment
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment.get_template(self._path).module, name)


def _isolated(value: Any) -> Any:
    """What a template writes out: no text of others turns the words of the page round. What is HTML
    already is made of such.
    """
    return value if type(value) is not str or value.isascii() else isolated(value)


@cache
def _icon(sheet: str, name: str, size: int) -> Markup:
    """One of tools/icons. Most are of the size that the style sheet gives them."""
    sized = "" if size == _ICON_SIZE else f' width="{size}" height="{size}"'
    use = f'<use href="{sheet}#{name}"/>'
    return Markup(f'<svg class="icon"{sized} aria-hidden="true">{use}</svg>')  # noqa: S704


@pass_context
def _csrf(context: Context) -> Markup:
    """The hidden fields that show that a form is our own, and that tell it from every other one."""
    proof, token = context["visit"].csrf_token, new_token()
    return Markup(  # noqa: S704  # both are our own, of letters and digits
        f'<input type="hidden" name="csrf" value="{proof}">'
        f'<input type="hidden" name="{TOKEN}" value="{token}">'
    )


@pass_context
def _hour_line(_: Context, hour: int) -> str:
    """A full hour as its reader writes it. With the context, since Jinja works out once for all
    what it gives a constant.
    """
    return notation.hour(hour)


@pass_context
def _moment_hint(_: Context, type_: str, example: str = "") -> str:
    """How to fill in a field of this type; ``example`` is a value that this one takes, in ISO 8601,
    blank where it takes any.
    """
    return f"Such as {moment_fields.example(type_, example)}"


@pass_context
def _moment_refused(_: Context, error: str, value: object, type_: str) -> str:
    """What is wrong with such a field: where its text may mean one of two that, else what the page
    says; blank where nothing is.
    """
    return error and (moment_fields.two_meanings(value, type_) or error)


@pass_context
def _moment_text(_: Context, value: object, type_: str) -> str:
    """What such a field shows of a value in the form of HTML's controls."""
    return moment_fields.field_text(value, type_)


def _clock_hours() -> int:
    """12 or 24, for what a script writes."""
    return notation.current().clock_hours


def _first_weekday() -> int:
    """The day that a week begins with, 0 for Monday, for what a script draws."""
    return notation.current().first_weekday


def _combined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of attributes as one; the second wins."""
    return {**first, **second}
