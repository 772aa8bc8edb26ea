"""What Create of a collection takes, by the server's OpenAPI document."""

from __future__ import annotations

from almoner_client._sync.client import Client
from almoner_client.errors import AlmonerError
from almoner_files.fields import Fields


def fields_of(client: Client, collection: str) -> Fields:
    """What Create of the collection takes in the client's shape. Raises AlmonerError where there is
    no such collection, or none that rows are created in.
    """
    document = client.openapi()
    offering = [
        path.removeprefix("/v1/")
        for path, item in document["paths"].items()
        if f"{path}/find" in document["paths"] and "post" in item
    ]
    if collection not in offering:
        raise AlmonerError(
            f"Nothing can be imported into {collection}, but into {', '.join(offering)}."
        )
    page = next(iter(client.collection(collection).pages({"page[size]": 1})))
    if page.enveloped:
        document = client.openapi("enveloped")
    body = document["paths"][f"/v1/{collection}"]["post"]["requestBody"]["content"]
    schema = next(iter(body.values()))["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return Fields(collection, schema)
