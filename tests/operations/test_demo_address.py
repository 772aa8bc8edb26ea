"""Commands beside a demo know the address that it serves at."""

from __future__ import annotations

from pathlib import Path

import pytest

from almoner import embedded
from almoner.commands import demo_address
from almoner.commands.session import located
from almoner.settings import Settings


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(embedded, "running", lambda home: "postgresql://nobody@127.0.0.1/nothing")
    for name in ("ALMONER_PORT", "ALMONER_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path)


def test_a_command_beside_the_demo_takes_its_address_until_it_stops(beside: Settings) -> None:
    with demo_address.keep_address(Settings(home=beside.home, port=9123)):
        assert located(beside).url == "http://127.0.0.1:9123"
        assert demo_address.beside(beside).port == 9123
    assert located(beside).url == "http://127.0.0.1:8000"


def test_an_address_or_a_database_that_is_named_goes_first(
    beside: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demo_address.keep_address(Settings(home=beside.home, port=9123)):
        assert (
            located(Settings(home=beside.home, database_url="postgresql://other")).url
            == "http://127.0.0.1:8000"
        )
        monkeypatch.setenv("ALMONER_PORT", "9200")
        assert located(Settings(home=beside.home, port=9200)).url == "http://127.0.0.1:9200"
