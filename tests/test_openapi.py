"""The OpenAPI document says what the declarations and the contract say, and its examples keep to
its own schemas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from schemathesis.core.result import Ok

from almoner.app import additions
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe import openapi, scopes
from almoner.data_api.describe_operations import operation_id
from almoner.errors import PROBLEMS
from almoner.resources import BY_NAME, RESOURCES
from almoner.settings import Settings
from tests.contract.rows import CONTRACT, documented_keys, of_contract

URL = "https://care.example.org"
METHODS = {"get", "post", "put", "delete"}
DOCUMENTS = {
    "documented": openapi(RESOURCES, URL),
    "enveloped": openapi(RESOURCES, URL, enveloped=True),
}
pytestmark = pytest.mark.turns
SHAPES = pytest.mark.parametrize("shape", list(DOCUMENTS))
EVERY_RESOURCE = pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def resolved(document: dict[str, Any], node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        node = pointed(document, node["$ref"])
    return node


def pointed(document: dict[str, Any], ref: str) -> Any:
    node: Any = document
    for part in ref.removeprefix("#/").split("/"):
        node = node[part]
    return node


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of this schema, which refers to the document's components."""
    whole = {"components": document["components"], **schema}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def media(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every content with a schema: of the body and of each answer."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from resolved(document, response).get("content", {}).values()


def samples(content: dict[str, Any]) -> list[Any]:
    named = [example["value"] for example in content.get("examples", {}).values()]
    return [*named, content["example"]] if "example" in content else named


def body_schema(document: dict[str, Any], resource: Resource, suffix: str) -> Draft202012Validator:
    return validator(document, schemas.ref(f"{schemas.component(resource)}{suffix}"))


@SHAPES
def test_every_operation_of_every_declaration_is_described_once(shape: str) -> None:
    document = DOCUMENTS[shape]
    counts = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert set(counts.values()) == {1}
    expected = {operation_id(verb, r) for r in RESOURCES for verb in r.verbs}
    by_body = {f"{operation_id(Verb.FIND, r)}ByBody" for r in RESOURCES}
    batches = {
        f"batch{schemas.plural(r)}" for r in RESOURCES if {Verb.CREATE, Verb.UPDATE} & set(r.verbs)
    }
    assert counts.keys() == expected | by_body | batches | {
        "fetchToken",
        "findChanges",
        "digestRows",
    }


@SHAPES
def test_schemathesis_reads_every_operation_of_the_document(shape: str) -> None:
    loaded = schemathesis.openapi.from_dict(DOCUMENTS[shape])
    read = [
        operation.ok() if isinstance(operation, Ok) else None
        for operation in loaded.get_all_operations()
    ]
    assert None not in read
    assert len(read) == len(list(operations(DOCUMENTS[shape])))


@SHAPES
def test_every_reference_leads_somewhere(shape: str) -> None:
    document = DOCUMENTS[shape]
    refs = {node["$ref"] for node in walk(document) if isinstance(node.get("$ref"), str)}
    assert refs
    for ref in refs:
        pointed(document, ref)


@SHAPES
def test_every_component_is_used(shape: str) -> None:
    document = DOCUMENTS[shape]
    used = {node["$ref"] for node in walk(document) if isinstance(node.get("$ref"), str)}
    components = document["components"]
    have = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in components[kind]
    }
    used_by_prose = {"#/components/responses/Status405"}
    unused = have - used - used_by_prose - {"#/components/schemas/PageMeta"}
    assert not unused, (
        f"Nothing refers to {', '.join(sorted(unused))}. A response's status is named by the"
        " operations that answer with it (data_api/describe_operations.py), or by ANY of"
        " data_api/describe_answers.py."
    )


@SHAPES
def test_every_schema_is_valid_json_schema(shape: str) -> None:
    for schema in DOCUMENTS[shape]["components"]["schemas"].values():
        assert validator_for(schema, Draft202012Validator) is Draft202012Validator
        Draft202012Validator.check_schema(schema)


@SHAPES
def test_every_example_satisfies_its_schema(shape: str) -> None:
    document = DOCUMENTS[shape]
    checked = 0
    for path, method, operation in operations(document):
        for content in media(document, operation):
            for example in samples(content):
                errors = [
                    error.message
                    for error in validator(document, content["schema"]).iter_errors(example)
                ]
                assert not errors, f"{method} {path}: {errors}"
                checked += 1
    assert checked > 61


@SHAPES
def test_every_answer_names_its_request(shape: str) -> None:
    document = DOCUMENTS[shape]
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in resolved(document, response)["headers"], (
                f"{method} {path} {status}"
            )


@SHAPES
def test_links_lead_to_operations_and_their_parameters(shape: str) -> None:
    document = DOCUMENTS[shape]
    parameters = {}
    for path, _, operation in operations(document):
        shared = document["paths"][path].get("parameters", [])
        parameters[operation["operationId"]] = {
            p["name"] for p in [*shared, *operation.get("parameters", [])]
        }
    links = [
        link
        for _, _, operation in operations(document)
        for link in operation["responses"]["200"].get("links", {}).values()
    ]
    assert links
    for link in links:
        assert link["parameters"].keys() <= parameters[link["operationId"]]


def test_each_problem_has_an_example_of_its_own() -> None:
    responses = DOCUMENTS["documented"]["components"]["responses"]
    for kind in PROBLEMS.values():
        example = responses[f"Status{kind.status}"]["content"]["application/json"]["examples"][
            kind.code
        ]["value"]
        assert [(e["code"], e["status"], e["title"]) for e in example["errors"]] == [
            (kind.code, kind.status, kind.title)
        ]


@SHAPES
def test_every_scope_that_an_operation_needs_is_documented(shape: str) -> None:
    document = DOCUMENTS[shape]
    needed = {
        s
        for _, _, o in operations(document)
        for requirement in o["security"]
        for s in requirement.get("bearer", ())
    }
    documented = {name for name, _ in scopes(RESOURCES)}
    assert needed | {"all"} == documented
    described = document["components"]["securitySchemes"]["bearer"]["description"]
    assert all(f"`{name}`" in described for name in documented)


@EVERY_RESOURCE
def test_a_row_has_the_keys_of_the_contract_in_its_order(resource: Resource) -> None:
    schema = DOCUMENTS["documented"]["components"]["schemas"][schemas.component(resource)]
    assert list(schema["properties"]) == schema["required"]
    expected = documented_keys(resource.name) if resource.name in CONTRACT else []
    assert of_contract(resource.name, schema["properties"]) == expected


@pytest.mark.parametrize(
    ("name", "verb"), [(name, verb) for name, facts in CONTRACT.items() for verb in facts["verbs"]]
)
def test_every_parameter_of_the_contract_is_described(name: str, verb: str) -> None:
    facts = CONTRACT[name]["verbs"][verb]
    document = DOCUMENTS["documented"]
    path = facts["path"].replace(":id", "{id}")
    operation = document["paths"][path][facts["method"].lower()]
    shared = document["paths"][path].get("parameters", [])
    parameters = {
        p["name"]: p.get("required", False) for p in [*shared, *operation.get("parameters", [])]
    }
    if "requestBody" in operation:
        schema = resolved(
            document, operation["requestBody"]["content"]["application/json"]["schema"]
        )
        writable = {key for key, value in schema["properties"].items() if not value.get("readOnly")}
        parameters |= {key: key in schema.get("required", ()) for key in writable}
    for parameter in facts["params"]:
        assert parameter["name"] in parameters
        if (
            parameter["name"] != "worker_id"
        ):  # needed by outbound messages only, whatever the contract's table says
            assert parameters[parameter["name"]] is not parameter["optional"] or verb == "Update"


@SHAPES
@EVERY_RESOURCE
def test_a_find_by_post_is_described_as_json_and_as_a_form_which_knows_no_null(
    resource: Resource, shape: str
) -> None:
    content = DOCUMENTS[shape]["paths"][f"/v1/{resource.name}/find"]["post"]["requestBody"][
        "content"
    ]
    as_json, form = (
        resolved(DOCUMENTS[shape], content[kind]["schema"])
        for kind in ("application/json", "application/x-www-form-urlencoded")
    )
    assert as_json["properties"].keys() == form["properties"].keys()
    assert [
        name for name, schema in form["properties"].items() if "null" in schema.get("type", ())
    ] == []


@SHAPES
@EVERY_RESOURCE
def test_a_whole_row_can_be_sent_back(resource: Resource, shape: str) -> None:
    document = DOCUMENTS[shape]
    answer = document["paths"][f"/v1/{resource.name}/{{id}}"]["get"]["responses"]["200"]["content"][
        "application/json"
    ]
    row = answer["example"]["data"] if shape == "enveloped" else answer["example"]
    for verb, suffix in ((Verb.UPDATE, "Update"), (Verb.CREATE, "Create")):
        if verb in resource.verbs:
            sent = {
                key: value for key, value in row.items() if value is not None or verb is Verb.UPDATE
            }
            body_schema(document, resource, suffix).validate(sent)


@EVERY_RESOURCE
def test_a_field_that_the_model_does_not_know_is_refused(resource: Resource) -> None:
    document = DOCUMENTS["documented"]
    for verb, suffix in ((Verb.UPDATE, "Update"), (Verb.CREATE, "Create"), (Verb.FIND, "Find")):
        if verb in resource.verbs:
            with pytest.raises(jsonschema.ValidationError, match="nickname"):
                body_schema(document, resource, suffix).validate({"nickname": "x"})


def test_the_enveloped_shape_takes_either_name_of_a_required_field() -> None:
    create = body_schema(DOCUMENTS["enveloped"], BY_NAME["patient_tasks"], "Create")
    patient = "45ceeba9-4944-43d1-b34d-0c36846acd4c"
    create.validate({"patient_id": patient, "task_type": "survey"})
    create.validate({"user_id": patient, "task_type": "survey"})
    assert not create.is_valid({"task_type": "survey"})
    assert not body_schema(DOCUMENTS["documented"], BY_NAME["patient_tasks"], "Create").is_valid(
        {"patient_id": patient}
    )


def test_the_enveloped_shape_leaves_the_birthday_open() -> None:
    patient = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
    }
    assert body_schema(DOCUMENTS["enveloped"], BY_NAME["patients"], "Create").is_valid(patient)
    assert not body_schema(DOCUMENTS["documented"], BY_NAME["patients"], "Create").is_valid(patient)


@SHAPES
def test_every_field_that_filters_is_a_parameter_of_find(shape: str) -> None:
    document = DOCUMENTS[shape]
    for resource in RESOURCES:
        parameters = {
            p["name"] for p in document["paths"][f"/v1/{resource.name}"]["get"]["parameters"]
        }
        in_body = set(
            document["components"]["schemas"][f"{schemas.component(resource)}Find"]["properties"]
        )
        absent = "not_enveloped" if shape == "enveloped" else "only_enveloped"
        known = [f for f in resource.filters if not getattr(f, absent)]
        expected = (
            {name for f in known for name in f.filter_names}
            | {f.name for f in resource.finders}
            | {"ids"}
        )
        if shape == "enveloped":
            expected |= {f.enveloped_name for f in resource.filters if f.enveloped_name}
        paging = {"page[from]", "page[to]", "page[size]", "page[after]"}
        assert parameters == in_body == expected | paging


WHOLE = {
    shape: openapi(
        RESOURCES,
        URL,
        enveloped=shape == "enveloped",
        additions=additions(Settings(public_url=URL), shape == "enveloped"),
    )
    for shape in DOCUMENTS
}


def unnamed(
    document: dict[str, Any], schema: dict[str, Any], value: Any, at: str = ""
) -> Iterator[str]:
    """The places of an example that its schema does not name."""
    schema = resolved(document, schema)
    properties = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        properties |= resolved(document, part).get("properties", {})
    if isinstance(value, dict) and properties:
        for name, inner in value.items():
            if name not in properties:
                yield f"{at}.{name}"
            else:
                yield from unnamed(document, properties[name], inner, f"{at}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from unnamed(document, schema["items"], item, f"{at}[]")


@SHAPES
def test_no_example_has_a_property_that_its_schema_does_not_name(shape: str) -> None:
    document = WHOLE[shape]
    wrong = {
        f"{method} {path}: {place}"
        for path, method, operation in operations(document)
        for content in media(document, operation)
        for example in samples(content)
        for place in unnamed(document, content["schema"], example)
    }
    assert not wrong


@SHAPES
def test_every_parameter_and_header_has_an_example_that_fits_it(shape: str) -> None:
    document = WHOLE[shape]
    wrong = []
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in METHODS & item.keys():
            for parameter in [*shared, *item[method].get("parameters", [])]:
                parameter = resolved(document, parameter)
                if "example" not in parameter or not validator(
                    document, parameter["schema"]
                ).is_valid(parameter["example"]):
                    wrong.append(f"{method} {path}: {parameter['name']}")
    for name, header in document["components"]["headers"].items():
        if not validator(document, header["schema"]).is_valid(header.get("example")):
            wrong.append(name)
    assert not wrong


@SHAPES
def test_licence_and_contact_are_named(shape: str) -> None:
    info = WHOLE[shape]["info"]
    assert info["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    assert info["contact"]["url"] == f"{URL}/docs"
