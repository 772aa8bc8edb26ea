"""A page as those who use it have it: what it says is looked up by role and name, as ARIA defines
them, and by ``data-testid`` where no role says it.

``Document(answer).button("Save")`` is the one button of this name. A lookup that has no answer, or two,
fails and says what there is.
"""

from __future__ import annotations

import re
from typing import Final

import httpx
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.web.accessible import (
    above,
    attribute,
    below,
    is_exposed,
    is_hidden,
    name_of,
    referred,
    role_of,
    with_role,
    words_of,
)

# Where each stands in every page and says something only at times.
_LIVE: Final = frozenset({"alert", "status"})
_CONTROLS: Final = "input:not([type=submit]):not([type=button]), select, textarea"
# So much of what there is is shown where a lookup fails.
_MOST: Final = 1500


class Element:
    """An element of a page."""

    def __init__(self, tree: LexborHTMLParser, node: LexborNode, role: str = "") -> None:
        self.tree, self.node = tree, node
        self._role = role

    def __repr__(self) -> str:
        name, words = self.name, self.words
        return f"{self.role or self.node.tag} {name!r}" + (f": {words}" if words != name else "")

    def __contains__(self, words: str) -> bool:
        """Whether these words, which may be a value, are read within it."""
        return " ".join(words.split()) in self.words

    def __bool__(self) -> bool:
        """It is there, as ``assert`` says in a test: a lookup without an answer has failed before."""
        return True

    @property
    def role(self) -> str:
        return self._role or role_of(self.node)

    @property
    def name(self) -> str:
        """Its accessible name."""
        return name_of(self.tree, self.node)

    @property
    def words(self) -> str:
        """What is read of it, in one line."""
        return words_of(self.node)

    @property
    def description(self) -> str:
        """What stands beside it by ``aria-describedby``, its error first."""
        return " ".join(
            words_of(node) for node in referred(self.tree, self.node, "aria-describedby")
        )

    @property
    def focus(self) -> str:
        """Where the focus goes once it is drawn, as ``data-focus`` says; empty where nothing says so."""
        return next((attribute(node, "data-focus") for node in self.node.css("[data-focus]")), "")

    def attribute(self, name: str) -> str:
        """The value of an attribute; empty where it is empty or not there."""
        return attribute(self.node, name)

    def has(self, name: str) -> bool:
        """Whether it has this attribute."""
        return name in self.node.attributes

    def all(self, role: str, name: str = "") -> list[Element]:
        """The elements of a role within this one, and of this name, in the order of the page."""
        within = [Element(self.tree, node, role) for node in with_role(self.node, role)]
        if role in _LIVE:
            within = [element for element in within if element.words]
        return _named(within, name)

    def get(self, role: str, name: str = "") -> Element:
        """The one element of this role and name."""
        return _only(self.all(role, name), f"{role} {name!r}", self)

    def lacks(self, role: str, name: str = "") -> bool:
        """Whether nothing within would be found so: by a role with its name, or with what it says where
        it is an ``alert``, ``status`` or ``row``; by ``field``, ``form``, or ``testid``.

        tests/test_repository.py asks that another test finds by the same what is not there here.
        """
        if role == "field":
            there = self._controls(name)
        elif role == "testid":
            there = self.testids(name)
        elif role == "form":
            there = self._forms(name)
        elif role in ("alert", "status", "row"):
            there = [e for e in (self.rows() if role == "row" else self.all(role)) if name in e]
        else:
            there = self.all(role, name)
        assert not there, f"there is {role} {name!r}: {there}"
        return True

    def mentions(self, value: str) -> bool:
        """Whether a value that the test itself wrote stands anywhere within, where nobody sees it as well.

        It is for what must not get out. What the interface says by itself is looked up by its role.
        """
        return (
            value in (self.node.html or "")
            or value in self.words
            or any(
                value in (attribute or "")
                for node in self.node.css("*")
                for attribute in node.attributes.values()
            )
        )

    def alert(self, words: str = "") -> Element:
        """The one alert, or the one that says this."""
        return self._saying("alert", words)

    def status(self, words: str = "") -> Element:
        """The one status, or the one that says this."""
        return self._saying("status", words)

    def _saying(self, role: str, words: str) -> Element:
        return _only([e for e in self.all(role) if words in e], f"{role} that says {words!r}", self)

    def button(self, name: str = "") -> Element:
        return self.get("button", name)

    def link(self, name: str = "", to: str = "") -> Element:
        """The one link of this name, or to this address."""
        links = [e for e in self.all("link", name) if not to or e.attribute("href") == to]
        return _only(links, f"link {name!r}" + (f" to {to}" if to else ""), self)

    def links(self, to: str) -> list[Element]:
        """Those that lead to an address, whatever stands behind its path."""
        return [e for e in self.all("link") if re.split("[?#]", e.attribute("href"))[0] == to]

    def heading(self, name: str = "") -> Element:
        """The one heading of this name, or the one of the page."""
        if name:
            return self.get("heading", name)
        return _only([e for e in self.all("heading") if e.node.tag == "h1"], "heading", self)

    def region(self, name: str) -> Element:
        return self.get("region", name)

    def table(self, name: str = "") -> Element:
        return self.get("table", name)

    def definition(self, term: str) -> Element:
        """What stands at a term of a list of facts."""
        behind = _only(self.all("term", term), f"term {term!r}", self).node.next
        while behind is not None and behind.tag != "dd":
            behind = behind.next
        assert behind is not None, f"nothing stands at the term {term!r}"
        return Element(self.tree, behind, "definition")

    def rows(self) -> list[Element]:
        """The rows of tables and the items of lists, in the order of the page."""
        nodes = below(self.node, "tr, li, [role=row]")
        return [Element(self.tree, node) for node in nodes if is_exposed(node)]

    def row(self, words: str) -> Element:
        """The one row or item that says this: the innermost, where they stand in one another."""
        rows = [row for row in self.rows() if words in row]
        outer = {node.mem_id for row in rows for node in above(row.node)}
        rows = [row for row in rows if row.node.mem_id not in outer]
        return _only(rows, f"row with {words!r}", self)

    def testid(self, name: str) -> Element:
        return _only(self.testids(name), f"data-testid {name!r}", self)

    def testids(self, name: str) -> list[Element]:
        nodes = below(self.node, f'[data-testid="{name}"]')
        return [Element(self.tree, node) for node in nodes if is_exposed(node)]

    def form(self, to: str) -> Element:
        """The one form that is sent to an address."""
        return _only(self._forms(to), f"form to {to}", self)

    def _forms(self, to: str) -> list[Element]:
        nodes = below(self.node, "form")
        return [Element(self.tree, node) for node in nodes if attribute(node, "action") == to]

    def field(self, name: str) -> Field:
        """The field of one form that is sent by this name, or that is called so."""
        controls = self._controls(name)
        assert controls, f"there is no field {name!r}{_there_is(self)}"
        forms = {_form_of(control.node) for control in controls}
        assert len(forms) == 1, f"{len(forms)} forms have a field {name!r}: {forms}"
        return Field(self.tree, [control.node for control in controls])

    def _controls(self, name: str) -> list[Element]:
        # What is hidden from people is sent all the same.
        nodes = below(self.node, _CONTROLS)
        if by_name := [node for node in nodes if attribute(node, "name") == name]:
            return [Element(self.tree, node) for node in by_name]
        return _named([Element(self.tree, node) for node in nodes if is_exposed(node)], name)


class Field(Element):
    """A field of a form: one control, or those that are sent by one name."""

    def __init__(self, tree: LexborHTMLParser, controls: list[LexborNode]) -> None:
        super().__init__(tree, controls[0])
        self.controls = controls

    @property
    def values(self) -> list[str]:
        """What is sent of it as it stands."""
        return [value for control in self.controls for value in _values(control)]

    @property
    def value(self) -> str:
        """The one value that is sent of it; empty where nothing is."""
        values = self.values
        assert len(values) < 2, f"{self!r} has several values: {values}"
        return values[0] if values else ""

    @property
    def options(self) -> dict[str, str]:
        """What can be chosen: how each is called, by its value."""
        options = [option for control in self.controls for option in below(control, "option")]
        return {_value(node): words_of(node) for node in options} or {
            attribute(node, "value"): name_of(self.tree, node) for node in self.controls
        }

    @property
    def error(self) -> str:
        """What is said to be wrong with it, empty where nothing is."""
        return " ".join(words_of(node) for node in self._described() if _is_error(node))

    @property
    def help(self) -> str:
        """How it is to be filled in, as it is said beside it."""
        return " ".join(words_of(node) for node in self._described() if not _is_error(node))

    def _described(self) -> list[LexborNode]:
        """What describes the first control that anything does, or the group that they stand in."""
        for control in self.controls:
            if by := referred(self.tree, control, "aria-describedby"):
                return by
        group = next((node for node in above(self.node) if node.tag == "fieldset"), None)
        return [] if group is None else referred(self.tree, group, "aria-describedby")


class Document(Element):
    """A page, or the part of one that htmx fetched."""

    def __init__(self, page: httpx.Response | str) -> None:
        tree = _parsed(page)
        assert tree.root is not None
        super().__init__(tree, tree.root, "document")

    @property
    def title(self) -> str:
        title = self.tree.css_first("title")
        return "" if title is None else " ".join(title.text().split())

    def main(self) -> Element:
        return self.get("main")


def _parsed(page: httpx.Response | str) -> LexborHTMLParser:
    """The tree of a page; that of an answer is made once."""
    if isinstance(page, str):
        return LexborHTMLParser(page)
    tree: LexborHTMLParser | None = page.extensions.get("tree")
    if tree is None:
        tree = page.extensions["tree"] = LexborHTMLParser(page.text)
    return tree


def _named(elements: list[Element], name: str) -> list[Element]:
    """Those that are called so; where none is, those whose names have it as a part."""
    if not name:
        return elements
    names = [(element, element.name) for element in elements]
    return [element for element, own in names if own == name] or [
        element for element, own in names if name in own
    ]


def _only(elements: list[Element], what: str, within: Element) -> Element:
    assert len(elements) < 2, f"there are {len(elements)} of {what}: {elements}"
    assert elements, f"there is no {what}{_there_is(within)}"
    return elements[0]


def _there_is(within: Element) -> str:
    """What there is to be looked up, for somebody whose lookup failed."""
    roles = ("alert", "status", "heading", "region", "link", "button")
    lines = [repr(element)[:160] for role in roles for element in within.all(role)]
    fields = [
        f"field {attribute(node, 'name')!r} ({name_of(within.tree, node)})"
        for node in below(within.node, _CONTROLS)
        if not is_hidden(node)
    ]
    tested = [
        f"data-testid {attribute(n, 'data-testid')!r}" for n in below(within.node, "[data-testid]")
    ]
    return "; there is: " + "\n  ".join(["", *lines, *fields, *tested])[:_MOST]


def _form_of(control: LexborNode) -> str:
    """What tells the form of a control from the others of a page."""
    forms = (node for node in above(control) if node.tag == "form")
    return attribute(control, "form") or next(
        (attribute(form, "id") or attribute(form, "action") for form in forms), ""
    )


def _is_error(node: LexborNode) -> bool:
    return "error" in attribute(node, "class").split()


def _values(control: LexborNode) -> list[str]:
    attributes = control.attributes
    if control.tag == "select":
        options = below(control, "option[selected]") or below(control, "option")[:1]
        return [_value(node) for node in options]
    if control.tag == "textarea":
        return [(control.text() or "")]
    if attributes.get("type") in ("checkbox", "radio"):
        return [attributes.get("value") or "on"] if "checked" in attributes else []
    return [attributes.get("value") or ""]


def _value(option: LexborNode) -> str:
    attributes = option.attributes
    return attributes["value"] or "" if "value" in attributes else words_of(option)
