"""Examples for the reference, made from the declarations' samples: rows, bodies, pages and problems
that fit together.

Ids are the same for the same collection everywhere, so that one example's ``user_id`` is another's
``id``."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid5

from almoner.data_api.declare import Filter, Resource, Row
from almoner.data_api.nested import NewRows
from almoner.errors import PROBLEMS, ApiError, Problem, ProblemType, problem_objects
from almoner.vocabulary.fields import MISSING, NOW, Field, Shape
from almoner.vocabulary.kinds import Ref

REQUEST_ID: Final = "5f2c9a41d07b-1a3"
MOMENT: Final = "2018-09-12T01:27:32.031245+00:00"
NOW_MOMENT: Final = "2018-09-25T21:53:11.141119+00:00"
CURSOR: Final = "c00000001000000000000107b0000000000000011cceb6e"
_IDS: Final = UUID("b6f1a0c8-3f5d-4a53-9c1e-52b9a7f0d0e4")


def row_id(collection: str) -> str:
    """The id of this collection's example row."""
    return str(uuid5(_IDS, collection))


def value(resource: Resource, field: Field) -> Any:
    """The example of a field; ids are those of the rows that they name."""
    if field.name == "id":
        return row_id(resource.name)
    if resource.any_reference and field.name == resource.any_reference[1]:
        return row_id(str(resource.field(resource.any_reference[0]).example()))
    if isinstance(field.kind, Ref):
        return row_id(field.kind.to)
    return field.example()


def row(resource: Resource, shape: Shape = Shape.DOCUMENTED) -> Row:
    """A row as Get answers with it: keys in the order of the contract, both names of a field in the
    enveloped shape.
    """
    return {key: _answered(resource, field) for key, field in resource.spelled[shape].answered}


def _answered(resource: Resource, field: Field) -> Any:
    kind = field.kind
    return [row(kind.resource, kind.shape)] if isinstance(kind, NewRows) else value(resource, field)


def create_body(
    resource: Resource, everything: bool = False, shape: Shape = Shape.DOCUMENTED
) -> Row:
    """What a Create sends: the fields that become columns, and with ``everything`` those too that
    only come in.
    """
    fields = [
        f
        for f in resource.spelled[shape].fields
        if f.create and (everything or (f.returned and f.generated is None))
    ]
    return {f.name: v for f in fields if (v := value(resource, f)) is not None}


def update_body(resource: Resource, shape: Shape = Shape.DOCUMENTED) -> Row:
    """What an Update sends: the few fields that change."""
    fields = [
        f for f in resource.spelled[shape].fields if f.update and f.returned and f.generated is None
    ]
    body = {f.name: v for f in fields if (v := value(resource, f)) is not None}
    return dict(list(body.items())[:3])


def created(resource: Resource, shape: Shape = Shape.DOCUMENTED) -> Row:
    """The row that ``create_body`` makes: what it left out is at its default, or null."""
    body = create_body(resource, shape=shape)
    answer = row(resource, shape)
    for key, field in resource.spelled[shape].answered:
        if (
            field.name in body
            or field.generated
            or field.name in ("id", "updated_at", "created_at")
        ):
            continue
        answer[key] = field.default if field.default not in (MISSING, NOW) else None
    return answer


def updated(resource: Resource, shape: Shape = Shape.DOCUMENTED) -> Row:
    """The row after ``update_body``, at its new time."""
    answer = row(resource, shape)
    return answer | ({"updated_at": NOW_MOMENT} if "updated_at" in answer else {})


def following(resource: Resource, public_url: str) -> tuple[Row, str]:
    """``meta.next`` of a page that another follows, and the address of that one."""
    span = {"page[from]": MOMENT, "page[to]": NOW_MOMENT, "page[size]": 1}
    filters = {name: value for name, value in find_body(resource).items() if name not in span}
    onward = {**filters, **span, "page[after]": row_id(resource.name)}
    query = "&".join(f"{quoted(k)}={quoted(str(v))}" for k, v in onward.items())
    return onward, f"{public_url}/v1/{resource.name}?{query}"


def quoted(text: str) -> str:
    """Percent-encoded as in the links that the API gives."""
    return text.replace("[", "%5B").replace("]", "%5D").replace(":", "%3A").replace("+", "%2B")


def page(resource: Resource, public_url: str, shape: Shape = Shape.DOCUMENTED) -> Any:
    """One page of a Find of size 1 that another page follows."""
    current = {
        "page[from]": "1970-01-01T00:00:00.000000+00:00",
        "page[to]": NOW_MOMENT,
        "page[size]": 1,
    }
    onward, href = following(resource, public_url)
    meta = {"current": current, "complete_until": NOW_MOMENT, "next": onward}
    if shape is Shape.DOCUMENTED:
        return [{"data": [row(resource)], "meta": meta, "links": {"next": {"href": href}}}]
    here = f"{public_url}/v1/{resource.name}?" + "&".join(
        f"{quoted(k)}={quoted(str(v))}" for k, v in current.items()
    )
    links = {
        "href": {"current": here, "next": href},
        "current": {"href": here, "meta": current},
        "next": {"href": href, "meta": onward},
        "meta": meta,
    }
    return {"data": [row(resource, shape)], "links": links}


def find_body(resource: Resource) -> Row:
    """What a Find by POST sends: a size, and the first filter where there is one."""
    body: Row = {"page[size]": 50}
    for field in resource.filters[:1]:
        sample = value(resource, field)
        body[field.filter_names[0]] = sample[0] if isinstance(sample, list) else sample
    return body


def filter_value(finder: Filter) -> Any:
    """A value to filter by; ids are those of the rows that they name."""
    return row_id(finder.kind.to) if isinstance(finder.kind, Ref) else finder.sample


def problem_body(kind: ProblemType) -> Row:
    """The answer that reports one problem of this kind."""
    return {"errors": problem_objects(ApiError(Problem(kind.code, kind.example, kind.extra)))}


def problems_of(status: int) -> list[ProblemType]:
    """The kinds of problem that are answered with this status."""
    return [t for t in PROBLEMS.values() if t.status == status]


def changes(resources: tuple[Resource, ...]) -> Row:
    about = next((r for r in resources if r.patient == "id"), resources[0])
    entry = {
        "resource": about.name,
        "id": row_id(about.name),
        "kind": "update",
        "changed_at": NOW_MOMENT,
        "patient_id": row_id(about.name),
        "fields": list(update_body(about))[:2],
        "actor": "client:Kiwi Health EHR",
        "through": "api",
        "request_id": REQUEST_ID,
        "cursor": CURSOR,
    }
    meta = {"after": CURSOR, "more": False, "environment": "9c1185a5c5e9fc54612808977ee8f548"}
    return {"data": [entry], "meta": meta}
