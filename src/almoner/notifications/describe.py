"""What the OpenAPI document and the reference say of ``/v1/subscriptions``."""

from __future__ import annotations

from typing import Any, Final

from almoner.access.policy import SUBSCRIPTIONS
from almoner.data_api.describe import Addition
from almoner.data_api.describe_answers import refusals, success
from almoner.notifications import deliveries, subscription_terms
from almoner.notifications.serve import DEFAULT_DELIVERIES, PATH
from almoner.notifications.subscription import BEARER_JWT, TOKEN_EXCHANGE
from almoner.notifications.subscription_terms import Rules
from almoner.vocabulary.kinds import Schema
from almoner.vocabulary.times import IsoDateTime

_MOMENT: Final = "2018-09-12T01:27:32.031245+00:00"
_ID: Final = "0a6f0f5e-5d0c-4c6a-9f57-2f5f5f0a7c11"
_URL: Final = "https://ehr.example.org/notifications"
_TIME: Final = IsoDateTime().schema()
_TIME_OR_NULL: Final[Schema] = {**_TIME, "type": ["string", "null"]}
_BODY_EXAMPLE: Final = {
    "name": "EHR bridge",
    "notify_url": _URL,
    "resources": ["patients", "messages"],
    "authentication": "token_exchange",
    "client_id": "almoner",
    "client_secret": "what-you-issued-for-us",
    "token_url": "https://ehr.example.org/token",
}
_TERMS: Final = {
    "name": "What people call it. Unique in the environment.",
    "notify_url": "Where notifications are posted to.",
    "resources": "The collections whose changes are announced, each by name.",
    "authentication": (
        "`token_exchange`: a token is fetched from `token_url` first. `bearer_jwt`: the JWT is the"
        " bearer token."
    ),
    "client_id": "The client id that you issued for us: the `iss` of our JWT.",
    "client_secret": (
        "The secret that you issued for us: the key of our JWT (HS256). Never returned."
    ),
    "audience": (
        "The `aud` of our JWT. When left out, the token URL for `token_exchange` and the notify URL"
        " for `bearer_jwt`."
    ),
    "token_url": "Your token endpoint. Needed for `token_exchange`, and for nothing else.",
    "paused": "Nothing is sent while it is true; what changes meanwhile is announced afterwards.",
}
_BESIDES: Final[dict[str, tuple[Schema, str]]] = {
    "lag_seconds": (
        {"type": "number", "minimum": 0},
        "How old the oldest change is that has not been announced.",
    ),
    "failures": ({"type": "integer", "minimum": 0}, "Failed attempts since the last success."),
    "failing_since": (_TIME_OR_NULL, "The first failure since the last success."),
    "next_attempt_at": (
        _TIME_OR_NULL,
        "Nothing is sent before this; null when nothing is waited for.",
    ),
    "created_at": (_TIME, "When it was made."),
}
_ANSWER_EXAMPLE: Final = {
    "id": _ID,
    **{
        name: value
        for name, value in _BODY_EXAMPLE.items()
        if name not in ("client_secret", "token_url")
    },
    "audience": _BODY_EXAMPLE["token_url"],
    "token_url": _BODY_EXAMPLE["token_url"],
    "paused": False,
    "lag_seconds": 0.0,
    "failures": 0,
    "failing_since": None,
    "next_attempt_at": None,
    "created_at": _MOMENT,
}
_DELIVERY: Final = {
    "id": 42,
    "attempted_at": _MOMENT,
    "reason": "changes",
    "from": _MOMENT,
    "to": _MOMENT,
    "resources": ["patients"],
    "outcome": "delivered",
    "status": 200,
    "milliseconds": 37,
    "answer": "",
}
_REPLAY: Final = {"id": 7, "from": _MOMENT, "to": _MOMENT, "asked_at": _MOMENT}
_STEPS: Final = {
    "well": False,
    "steps": [
        {"step": "look-up", "well": True, "detail": "ehr.example.org is at 198.51.100.7."},
        {"step": "answer", "well": False, "detail": "The receiver answered 500."},
    ],
}
_ABOUT: Final = "Who is told of changes, and how it goes. The guide is docs/notifications.md."


def addition(rules: Rules, enveloped: bool = False) -> Addition:
    """The description of the subscriptions' operations in one of the shapes."""
    return Addition(
        SUBSCRIPTIONS,
        _ABOUT,
        (
            (f"{SUBSCRIPTIONS}.read", "Subscriptions and their deliveries."),
            (
                f"{SUBSCRIPTIONS}.write",
                "Create, change, pause, replay, test and delete subscriptions.",
            ),
        ),
        _paths(enveloped),
        _schemas(rules),
    )


def _paths(enveloped: bool) -> dict[str, Any]:
    schema, example = _in_shape(_ref("Subscription"), enveloped), _wrap(_ANSWER_EXAMPLE, enveloped)
    now = "The subscription as it is now. Under a token that may only write, its `id` alone."
    pause = "Sends nothing until it is resumed. What changes meanwhile is announced then."
    listed = success("Subscriptions.", _many("Subscription"), {"data": [_ANSWER_EXAMPLE]})
    answer = success(now, schema, example)
    return {
        PATH: {
            "get": _operation(
                "findSubscriptions", "Find subscriptions", "All of them, the oldest first.", "read"
            )
            | {"responses": {"200": listed, **refusals(400, 401, 403)}},
            "post": _operation(
                "createSubscription",
                "Create a subscription",
                "Announces what is committed from now on. An `Idempotency-Key` is passed over here:"
                " a name is taken once, so that a subscription that is sent again is refused.",
                "write",
            )
            | _body("SubscriptionCreate", _BODY_EXAMPLE)
            | {"responses": {"200": answer, **refusals(400, 401, 403)}},
        },
        f"{PATH}/{{id}}": {
            "parameters": [_ID_PARAMETER],
            "get": _row_operation(
                "getSubscription",
                "Get a subscription",
                "One subscription by its id.",
                "read",
                answer,
            ),
            "put": _row_operation(
                "updateSubscription", "Update a subscription", _UPDATED, "write", answer
            )
            | _body(
                "SubscriptionUpdate", {"notify_url": "https://ehr.example.org/v2/notifications"}
            ),
            "delete": _row_operation(
                "deleteSubscription",
                "Delete a subscription",
                _DELETED,
                "write",
                success(_DELETED, schema, example),
            ),
        },
        f"{PATH}/{{id}}/pause": _post("pauseSubscription", "Pause a subscription", pause, answer),
        f"{PATH}/{{id}}/resume": _post(
            "resumeSubscription", "Resume a subscription", "Goes on at once.", answer
        ),
    } | _paths_of_sending(enveloped)


def _paths_of_sending(enveloped: bool) -> dict[str, Any]:
    replay, asked = _in_shape(_ref("Replay"), enveloped), _wrap(_REPLAY, enveloped)
    test, steps = _in_shape(_ref("SubscriptionTest"), enveloped), _wrap(_STEPS, enveloped)
    replayed = (
        "Sends one more notification for a span, however old, beside those of new changes. Without"
        " `to`: until now."
    )
    tested = (
        "Sends an empty notification, `[]`, and tells in words how each step went: the address, the"
        " connection, the token, the answer. Positions and deliveries stay as they are."
    )
    limit = {"type": "integer", "minimum": 1, "default": DEFAULT_DELIVERIES}
    attempts = (
        f"Attempts of one answer; above {deliveries.MOST_DELIVERIES} it is"
        f" {deliveries.MOST_DELIVERIES}."
    )
    return {
        f"{PATH}/{{id}}/replay": _post(
            "replaySubscription",
            "Announce a span again",
            replayed,
            success("What will be sent.", replay, asked),
            _body("SubscriptionReplay", {"from": _MOMENT, "to": _MOMENT}),
        ),
        f"{PATH}/{{id}}/test": _post(
            "testSubscription", "Test a subscription", tested, success("How it went.", test, steps)
        ),
        f"{PATH}/{{id}}/deliveries": {
            "parameters": [_ID_PARAMETER],
            "get": _operation(
                "findDeliveries",
                "Find deliveries",
                "The latest attempts, the newest first.",
                "read",
            )
            | {
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "description": attempts,
                        "schema": limit,
                        "example": 50,
                    }
                ],
                "responses": {
                    "200": success("Attempts.", _many("Delivery"), {"data": [_DELIVERY]}),
                    **refusals(400, 401, 403, 404),
                },
            },
        },
    }


_UPDATED: Final = (
    "Changes the fields that the body names, and tries again at once; what was not announced yet"
    " goes by the new ones."
)
_DELETED: Final = "Ends it, with its deliveries. The answer is what it was."
_ID_PARAMETER: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of the subscription, in any letter case.",
    "schema": {"type": "string", "format": "uuid"},
    "example": _ID,
}


def _operation(name: str, summary: str, text: str, right: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": [SUBSCRIPTIONS],
        "summary": summary,
        "description": text,
        "security": [{"bearer": [f"{SUBSCRIPTIONS}.{right}"]}],
    }


def _row_operation(
    name: str, summary: str, text: str, right: str, answer: dict[str, Any]
) -> dict[str, Any]:
    responses = {"200": answer, **refusals(400, 401, 403, 404)}
    return _operation(name, summary, text, right) | {"responses": responses}


def _post(
    name: str, summary: str, text: str, answer: dict[str, Any], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    operation = _row_operation(name, summary, text, "write", answer) | (body or {})
    return {"parameters": [_ID_PARAMETER], "post": operation}


def _body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref(schema), "example": example}},
        }
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _in_shape(schema: Schema, enveloped: bool) -> Schema:
    return _object({"data": schema}) if enveloped else schema


def _wrap(value: dict[str, Any], enveloped: bool) -> dict[str, Any]:
    return {"data": value} if enveloped else value


def _object(properties: dict[str, Any], required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def _many(name: str) -> Schema:
    return _object({"data": {"type": "array", "items": _ref(name)}})


# A token endpoint where tokens are exchanged, which is when nothing else is said, and none
# otherwise.
_WAYS: Final[Schema] = {
    "anyOf": [
        {
            "properties": {
                "authentication": {"const": TOKEN_EXCHANGE},
                "token_url": {"type": "string"},
            },
            "required": ["token_url"],
        },
        {
            "properties": {"authentication": {"const": BEARER_JWT}, "token_url": {"type": "null"}},
            "required": ["authentication"],
        },
    ]
}


def _schemas(rules: Rules) -> dict[str, Any]:
    kinds = {
        name: {**kind.schema(), "description": _TERMS[name]}
        for name, kind in subscription_terms.kinds(rules).items()
    }
    clearable = {
        name: {**kinds[name], "type": [kinds[name]["type"], "null"]}
        for name in subscription_terms.CLEARABLE
    }
    besides = {name: {**schema, "description": text} for name, (schema, text) in _BESIDES.items()}
    ignored = {name: {"readOnly": True} for name in subscription_terms.READ_ONLY}
    text: Schema = {"type": "string"}
    returned = {
        name: clearable["token_url"] if name == "token_url" else kinds[name]
        for name in kinds
        if name != "client_secret"
    }
    step = _object({"step": text, "well": {"type": "boolean"}, "detail": text})
    delivery = {
        "id": {"type": "integer"},
        "attempted_at": _TIME,
        "reason": {**text, "description": "`changes` or `replay`."},
        "from": _TIME_OR_NULL,
        "to": _TIME_OR_NULL,
        "resources": {"type": "array", "items": text},
        "outcome": {**text, "description": "`delivered`, or what went wrong in sentences."},
        "status": {
            "type": ["integer", "null"],
            "description": "The status of the answer; null when there was none.",
        },
        "milliseconds": {"type": "integer"},
        "answer": {"type": ["string", "null"], "description": "The first bytes of the answer."},
    }
    written = {**kinds, **clearable, **ignored}
    return {
        "Subscription": _object(
            {"id": {"type": "string", "format": "uuid"}, **returned, **besides}
        ),
        "SubscriptionCreate": {
            **_object(written, list(subscription_terms.REQUIRED)),
            "additionalProperties": False,
            **_WAYS,
        },
        "SubscriptionUpdate": {**_object(written, []), "additionalProperties": False},
        "SubscriptionReplay": {
            **_object({"from": _TIME, "to": _TIME_OR_NULL}, ["from"]),
            "additionalProperties": False,
        },
        "SubscriptionTest": _object(
            {"well": {"type": "boolean"}, "steps": {"type": "array", "items": step}}
        ),
        "Replay": _object(
            {"id": {"type": "integer"}, "from": _TIME, "to": _TIME, "asked_at": _TIME}
        ),
        "Delivery": _object(delivery),
    }
