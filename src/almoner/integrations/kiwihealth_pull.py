"""The contract's own example: Kiwi Health sends lab results about patients (Integration jobs).

A job validates the account at the partner, fetches what is new page by page, and takes each result
in as a record of the program's data type ``lab_result``. A result that was taken in before is
updated: it is known again by its id there."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from almoner.integrations.declare import Integration, IntegrationError, Secret
from almoner.integrations.task import Task

# What one job takes at most: a partner whose pages do not end is refused rather than followed.
_MOST_PAGES: Final = 1_000


class KiwiHealthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``namespace`` is that of the external ids by which patients are known there."""

    base_url: Annotated[str, msgspec.Meta(description="Where the partner's API begins.")]
    client_id: Annotated[str, msgspec.Meta(description="As the partner issued it for us.")]
    client_secret: Secret
    namespace: Annotated[
        str, msgspec.Meta(description="Whose ids the patients of the results have.")
    ] = "kiwihealth_ehr"
    page_size: Annotated[int, msgspec.Meta(description="Results that are asked for at once.")] = 100


class LabResult(msgspec.Struct, frozen=True):
    """A result as the partner sends it; ``patient`` is the id that the patient has there."""

    id: str
    patient: str
    test: str
    value: float
    unit: str
    collected_at: str
    laboratory: str | None = None


kiwihealth_pull = Integration(
    name="kiwihealth_pull",
    title="Kiwi Health",
    about="Takes lab results in from Kiwi Health.",
    settings=KiwiHealthSettings,
    scopes=(
        "patients.read",
        "external_ids.read",
        "external_ids.write",
        "custom_data_type_records.read",
        "custom_data_type_records.write",
    ),
)


@kiwihealth_pull.task()
async def run_kiwihealth_pull(task: Task) -> None:
    """The whole job."""
    await task.call(validate_user)
    results = await task.call(fetch_results)
    await task.call(process_response, results)


@kiwihealth_pull.task()
async def validate_user(task: Task) -> None:
    """Whether the partner knows us, and has the integration switched on."""
    account = _object(await _get(task, await _token(task), "/v1/account"))
    if account.get("status") != "active":
        raise IntegrationError("customer_disabled", "Kiwi Health has switched it off.")


@kiwihealth_pull.task(seconds=300)
async def fetch_results(task: Task) -> list[Any]:
    """Every result that there is, page by page, as it came."""
    token, cursor = await _token(task), ""
    results: list[Any] = []
    cursors = {cursor}
    for _ in range(_MOST_PAGES):
        size = task.settings.page_size
        page = _object(await _get(task, token, f"/v1/results?limit={size}&cursor={cursor}"))
        listed = page.get("results")
        if not isinstance(listed, list) or len(listed) > size:
            raise IntegrationError("malformed_response", "A page holds no list of results.")
        results += listed
        following = page.get("next")
        if following is None:
            return results
        if not isinstance(following, str) or not following.isalnum() or following in cursors:
            break
        cursors.add(cursor := following)
    raise IntegrationError("paging_without_end", "The pages of results do not come to an end.")


@kiwihealth_pull.task()
async def process_response(task: Task, results: list[Any]) -> None:
    """A task for each result."""
    await task.each(process_item, results, _ids)


@kiwihealth_pull.task()
async def process_item(task: Task, item: LabResult) -> None:
    """Takes one result in."""
    namespace = task.settings.namespace
    user_id = await _known(task, namespace, "patients", item.patient)
    if user_id is None:
        raise IntegrationError(
            "user_not_found", "There is no user with that ID.", user_id=item.patient
        )
    task.about(user_id)
    record_id = await _known(task, f"{namespace}_results", "custom_data_type_records", item.id)
    body = {
        "test": item.test,
        "value": item.value,
        "unit": item.unit,
        "collected_at": item.collected_at,
        "laboratory": item.laboratory,
    }
    body = {name: value for name, value in body.items() if value is not None}
    if record_id is not None:
        await task.store.update("custom_data_type_records", record_id, {"body": body})
        return
    record = {"user_id": user_id, "type_name": "lab_result", "body": body}
    created = await task.store.create("custom_data_type_records", record)
    mapping = {
        "resource": "custom_data_type_records",
        "namespace": f"{namespace}_results",
        "external_id": item.id,
        "welkin_id": created["id"],
    }
    await task.store.create("external_ids", mapping)


async def _known(task: Task, namespace: str, collection: str, external_id: str) -> str | None:
    """The id here of what has this id there."""
    mappings = await task.store.find(
        "external_ids", namespace=namespace, resource=collection, external_id=external_id
    )
    return str(mappings[0]["welkin_id"]) if mappings else None


async def _token(task: Task) -> str:
    """An access token of the partner (OAuth 2.0, RFC 6749, 4.4)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": task.settings.client_id,
        "client_secret": task.settings.client_secret,
    }
    answer = await task.http.post(f"{task.settings.base_url}/oauth/token", form=form)
    if answer.status in (400, 401, 403):
        raise IntegrationError("bad_credentials", "Kiwi Health refused the client id or secret.")
    token = _object(answer.well().json()).get("access_token")
    if not isinstance(token, str) or not token.isprintable():
        raise IntegrationError("malformed_response", "The answer holds no access token.")
    return token


async def _get(task: Task, token: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return (await task.http.get(f"{task.settings.base_url}{path}", headers)).well().json()


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise IntegrationError("malformed_response", "The partner's answer is no JSON object.")
    return value


def _ids(item: Any) -> list[str]:
    """The ids by which the partner knows a result and its patient, as far as they are ids."""
    if not isinstance(item, dict):
        return []
    return [
        value for name in ("patient", "id") if isinstance(value := item.get(name), str) and value
    ]
