"""A client of the Almoner Data API: typed, for threads and for asyncio; and copies that stay whole.

from almoner_client import Client

with Client("https://care.example.org", "client id", "client secret") as client:
    for patient in client.patients.find(phase="intake"):
        print(patient.first_name, patient.updated_at)
"""

from almoner_client._async.client import AsyncClient
from almoner_client._sync.client import Client
from almoner_client.answers import BatchResult, Change, FeedPage
from almoner_client.errors import (
    AlmonerError,
    ApiError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Gone,
    InvalidRequest,
    NotAnAnswer,
    NotFound,
    PreconditionFailed,
    Problem,
    ServerError,
    TokenRefused,
    TooManyRequests,
    Unauthorized,
)
from almoner_client.options import Options

__all__ = [
    "AlmonerError",
    "ApiError",
    "AsyncClient",
    "BatchResult",
    "Change",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "FeedPage",
    "Forbidden",
    "Gone",
    "InvalidRequest",
    "NotAnAnswer",
    "NotFound",
    "Options",
    "PreconditionFailed",
    "Problem",
    "ServerError",
    "TokenRefused",
    "TooManyRequests",
    "Unauthorized",
]
__version__ = "0.1.0"
