"""Client secrets at rest."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.access.secrets import SealError, SecretBox, load_key, new_secret
from almoner.errors import SettingError

KEY = bytes(range(32))
CLIENT = "45ceeba9-4944-43d1-b34d-0c36846acd4c"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_sealed_secret_opens_to_itself(secret: str) -> None:
    box = SecretBox(KEY)
    assert box.open(box.seal(secret, CLIENT), CLIENT) == secret


def test_the_same_secret_is_sealed_differently_each_time_and_is_not_to_be_seen() -> None:
    box = SecretBox(KEY)
    sealed = {box.seal("correct horse", CLIENT) for _ in range(50)}
    assert len(sealed) == 50
    assert not any(b"correct" in one for one in sealed)


def test_a_secret_cannot_be_moved_to_another_client() -> None:
    box = SecretBox(KEY)
    with pytest.raises(SealError):
        box.open(box.seal("s", CLIENT), CLIENT.replace("4", "5"))


def test_a_secret_does_not_open_with_another_key_and_the_error_says_what_to_do() -> None:
    sealed = SecretBox(KEY).seal("s", CLIENT)
    with pytest.raises(SealError, match="ALMONER_SECRET_KEY"):
        SecretBox(KEY[::-1]).open(sealed, CLIENT)


@given(st.integers(0, 31), st.integers(1, 255))
def test_a_sealed_secret_that_was_changed_does_not_open(place: int, flip: int) -> None:
    box = SecretBox(KEY)
    sealed = bytearray(box.seal("abc", CLIENT))
    sealed[place] ^= flip
    with pytest.raises(SealError):
        box.open(bytes(sealed), CLIENT)


@given(st.binary(max_size=40))
def test_what_was_never_sealed_does_not_open(anything: bytes) -> None:
    with pytest.raises(SealError):
        SecretBox(KEY).open(anything, CLIENT)


def test_a_new_secret_has_43_characters_that_need_no_escaping() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(s) == 43 and s.replace("-", "").replace("_", "").isalnum() for s in secrets)


def test_the_key_of_the_settings_comes_before_the_file(tmp_path: Path) -> None:
    assert load_key(base64.b64encode(KEY).decode(), tmp_path) == KEY
    assert load_key(base64.urlsafe_b64encode(KEY).decode().rstrip("=") + "\n", tmp_path) == KEY
    assert not list(tmp_path.iterdir())


def test_the_key_file_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there yet"
    key = load_key(None, home)
    assert len(key) == 32
    assert load_key(None, home) == key
    assert [p.name for p in home.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: load_key(None, tmp_path), range(64)))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("value", ["short", "c2hvcnQ=", "!" * 44, "ключ", base64.b64encode(bytes(33)).decode()])
def test_what_is_no_key_is_refused_without_being_told(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        load_key(value, tmp_path)
    assert "ALMONER_SECRET_KEY" in str(refused.value)
    assert value not in str(refused.value)


def test_a_key_file_that_holds_no_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"\xff nonsense")
    with pytest.raises(SettingError, match=r"secret\.key"):
        load_key(None, tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == b"\xff nonsense"


def test_a_home_that_cannot_be_used_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="ALMONER_SECRET_KEY"):
        load_key(None, tmp_path / "file")
