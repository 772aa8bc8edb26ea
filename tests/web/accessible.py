"""What assistive technology is told of an element: its role, its name and what it says.

Roles are those that HTML gives its elements (HTML Accessibility API Mappings 1.0), names are computed
as Accessible Name and Description Computation 1.2 says, as far as the pages need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

# What HTML gives a role to: by the element, and an ``input`` by its type.
_ROLES: Final = {
    "a[href]": "link",
    "article": "article",
    "aside": "complementary",
    "button": "button",
    "code": "code",
    "dd": "definition",
    "details": "group",
    "dialog": "dialog",
    "dt": "term",
    "fieldset": "group",
    "form": "form",
    "h1": "heading",
    "h2": "heading",
    "h3": "heading",
    "h4": "heading",
    "img": "img",
    "input:not([type])": "textbox",
    "input[type=button]": "button",
    "input[type=checkbox]": "checkbox",
    "input[type=email]": "textbox",
    "input[type=password]": "textbox",
    "input[type=radio]": "radio",
    "input[type=search]": "searchbox",
    "input[type=submit]": "button",
    "input[type=tel]": "textbox",
    "input[type=text]": "textbox",
    "input[type=url]": "textbox",
    "li": "listitem",
    "main": "main",
    "nav": "navigation",
    "ol": "list",
    "option": "option",
    "p": "paragraph",
    "search": "search",
    "section[aria-label]": "region",
    "section[aria-labelledby]": "region",
    "select": "combobox",
    "summary": "button",
    "table": "table",
    "td": "cell",
    "textarea": "textbox",
    "time": "time",
    "th": "columnheader",
    "tr": "row",
    "ul": "list",
    # What a part of a page says into these elements of the shell, which have the roles.
    "#notice[hx-swap-oob]": "alert",
    "#live-region[hx-swap-oob]": "status",
    'hx-partial[hx-target="#live-region"]': "status",
}
_FROM_CONTENT: Final = frozenset(
    [
        "button",
        "cell",
        "checkbox",
        "columnheader",
        "definition",
        "heading",
        "link",
        "option",
        "radio",
        "row",
        "rowheader",
        "term",
    ]
)
# What runs on in its line; what stands in any other element is a text of its own.
_INLINE: Final = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "data",
        "del",
        "em",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "u",
        "var",
        "wbr",
    ]
)
_UNREAD: Final = frozenset(["datalist", "head", "script", "style", "template"])
_ISOLATES: Final = str.maketrans("", "", "\u2068\u2069")


def attribute(node: LexborNode, name: str) -> str:
    """The attribute's value; empty where it is empty or not there."""
    return node.attributes.get(name) or ""


def below(scope: LexborNode, selector: str) -> list[LexborNode]:
    """The elements within another that a selector of CSS fits; the other one itself is none of them."""
    # Where several selectors of a list fit one, it is named several times.
    nodes = {node.mem_id: node for node in scope.css(selector)}
    nodes.pop(scope.mem_id, None)
    return list(nodes.values())


def is_hidden(node: LexborNode) -> bool:
    """Whether nobody is told of the element itself."""
    attributes = node.attributes
    return (
        node.tag in _UNREAD
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or (node.tag == "dialog" and "open" not in attributes)
    )


def above(node: LexborNode) -> Iterator[LexborNode]:
    """The elements that an element stands in, the nearest first."""
    while (parent := node.parent) is not None:
        yield (node := parent)


def is_exposed(node: LexborNode) -> bool:
    """Whether neither the element nor what it stands in is hidden."""
    return not is_hidden(node) and not any(map(is_hidden, above(node)))


def role_of(node: LexborNode) -> str:
    """Its role, empty where it has none that tests ask for."""
    attributes = node.attributes
    tag, kind = node.tag or "", attributes.get("type")
    ways = [f"#{attributes.get('id')}[hx-swap-oob]"] if "hx-swap-oob" in attributes else []
    ways += [f"{tag}:not([type])" if kind is None else f"{tag}[type={kind}]", tag]
    ways += [f"{tag}[{name}]" for name in attributes]
    ways += [f'{tag}[hx-target="{attributes.get("hx-target")}"]']
    return attributes.get("role") or next((_ROLES[way] for way in ways if way in _ROLES), "")


def with_role(scope: LexborNode, role: str) -> list[LexborNode]:
    """The elements of a role below another, in the order of the page."""
    selectors = [f'[role="{role}"]', *(way for way, other in _ROLES.items() if other == role)]
    return [
        node
        for node in below(scope, ", ".join(selectors))
        if attribute(node, "role") in ("", role) and is_exposed(node)
    ]


def words_of(node: LexborNode) -> str:
    """What is read of an element, in one line, without what is hidden within it."""
    texts: list[str] = []
    _gather(node, texts)
    return " ".join("".join(texts).translate(_ISOLATES).split())


def _gather(node: LexborNode, texts: list[str]) -> None:
    child = node.first_child
    while child is not None:
        tag = child.tag
        if tag == "-text":
            texts.append(child.text_content or "")
        elif tag == "img":
            texts.append(attribute(child, "alt"))
        elif tag is not None and tag[0] not in "-!" and tag != "svg" and not is_hidden(child):
            apart = "" if tag in _INLINE else " "
            texts.append(apart)
            _gather(child, texts)
            texts.append(apart)
        child = child.next


def referred(tree: LexborHTMLParser, node: LexborNode, attribute_name: str) -> list[LexborNode]:
    """The elements that an attribute names by their ids."""
    ids = attribute(node, attribute_name).split()
    return [there for name in ids if (there := tree.css_first(f'[id="{name}"]')) is not None]


def labels_of(tree: LexborHTMLParser, node: LexborNode) -> list[LexborNode]:
    """The ``label`` elements of a control."""
    name = attribute(node, "id")
    labels = tree.css(f'label[for="{name}"]') if name else []
    return [*labels, *(outer for outer in above(node) if outer.tag == "label")]


def name_of(tree: LexborHTMLParser, node: LexborNode) -> str:
    """The accessible name, empty where an element has none."""
    if by := referred(tree, node, "aria-labelledby"):
        return " ".join(words_of(label) for label in by)
    return attribute(node, "aria-label") or _native_name(tree, node) or attribute(node, "title")


def _native_name(tree: LexborHTMLParser, node: LexborNode) -> str:
    tag = node.tag
    if tag in ("input", "select", "textarea"):
        if attribute(node, "type") in ("submit", "button"):
            return attribute(node, "value")
        labels = " ".join(words_of(label) for label in labels_of(tree, node))
        return labels.removesuffix(" * required") or attribute(node, "placeholder")
    if tag == "img":
        return attribute(node, "alt")
    if titled := {"fieldset": "legend", "table": "caption", "details": "summary"}.get(tag or ""):
        title = node.css_first(titled)
        return words_of(title).removesuffix(" * required") if title is not None else ""
    return words_of(node) if role_of(node) in _FROM_CONTENT else ""
