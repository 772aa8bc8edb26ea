"""A program with the client, which pyright reads in its strict mode: rows, errors and answers have
their types.
"""

from collections.abc import Iterator
from pathlib import Path

from almoner_client import ApiError, AsyncClient, BatchResult, Client, Options
from almoner_client.receiver import Handed, IssuedCredentials, Receiver
from almoner_client.rows import Patient

handed_over: list[str] = []


def names(client: Client) -> Iterator[str]:
    for patient in client.patients.find(updated_from="2018-01-01", phase="intake"):
        yield f"{patient.first_name} {patient.last_name}"


def created(client: Client) -> tuple[str, str | None]:
    try:
        patient = client.patients.create(
            phase="intake",
            timezone="US/Pacific",
            first_name="Grace",
            last_name="Hopper",
            birthday="1906-12-09",
        )
    except ApiError as error:
        return error.code, error.paths.get(".birthday")
    patient = client.patients.update(patient.id, city="Arlington")
    return patient.id, patient.city


def many(client: Client) -> list[str]:
    results: list[BatchResult[Patient]] = client.patients.batch(
        update=[{"id": "45ceeba9-4944-43d1-b34d-0c36846acd4c", "city": "Arlington"}], atomic=False
    )
    return [problem.detail for result in results for problem in result.problems]


async def followed(client: AsyncClient) -> str:
    async for change in client.changes("latest", ["patients"], rows=True, follow=True):
        return change.cursor
    return (await client.patients.get("45ceeba9-4944-43d1-b34d-0c36846acd4c")).first_name


def handle(handed: Handed) -> None:
    handed_over.append(f"{handed.resource} {handed.id} {handed.state}")


def summary(client: Client) -> list[str]:
    issued = IssuedCredentials("id", "secret")
    with Receiver(client, "https://me.example.org", issued, handle, Path("receiver.db")):
        words = [*names(client), *many(client), *(word or "" for word in created(client))]
    return [*words, str(client.digest("patients").count), *handed_over]


def connected() -> Client:
    return Client("https://care.example.org", "id", "secret", Options(retries=3, timeout=20))
