"""The forms of a page, as a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class SentForm:
    """Where a form is sent, what its fields hold, and its buttons, each with what it adds."""

    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[SentForm] = []
        self._open: SentForm | None = None
        self._select = ""
        self._first = False
        self._area: tuple[str, str] | None = None
        self._by_id: dict[str, SentForm] = {}
        self._elsewhere: list[tuple[dict[str, str], SentForm | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if of.get("hx-post"):
            self.forms.append(SentForm(of["hx-post"]))
        if tag == "form":
            self._open = (
                SentForm(of.get("action", "")) if of.get("method", "").lower() == "post" else None
            )
            if self._open is not None:
                self.forms.append(self._open)
                self._by_id[of.get("id", "")] = self._open
        if tag == "button" and ("form" in of or "formaction" in of):
            self._elsewhere.append((of, self._open))
            return
        if self._open is None:
            return
        name, kind = of.get("name", ""), of.get("type", "text" if tag == "input" else "submit")
        if (
            tag == "input"
            and name
            and (kind not in ("checkbox", "radio", "submit") or "checked" in of)
        ):
            self._open.values.append((name, of.get("value", "on" if kind == "checkbox" else "")))
        elif tag == "button" and name and kind == "submit":
            self._open.buttons.append((name, of.get("value", "")))
        elif tag == "select":
            self._select, self._first = name, True
        elif tag == "option" and self._select and (self._first or "selected" in of):
            self._first = False
            self._open.values.append((self._select, of.get("value", "")))
        elif tag == "textarea" and name:
            self._area = (name, "")

    def close(self) -> None:
        """Buttons that stand outside of their form, and those that lead elsewhere than it."""
        super().close()
        for of, around in self._elsewhere:
            form = self._by_id.get(of["form"]) if "form" in of else around
            name, value = of.get("name", ""), of.get("value", "")
            if "formaction" in of:
                pairs = [*(form.values if form else []), *([(name, value)] if name else [])]
                self.forms.append(SentForm(of["formaction"], pairs))
            elif form and name:
                form.buttons.append((name, value))

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area = (self._area[0], self._area[1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None and self._open is not None:
            self._open.values.append(self._area)
            self._area = None
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._open = None


def forms_of(page: str) -> list[SentForm]:
    """The forms that a page or a part of it sends by POST."""
    parser = _Forms()
    parser.feed(page)
    parser.close()
    return parser.forms
