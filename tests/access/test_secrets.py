"""Client secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from almoner.access.secrets import SealError, SecretBox, key_id, new_secret, sealed_with

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
    assert not any(b"correct" in ciphertext for ciphertext in sealed)


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


def test_what_was_sealed_before_there_were_key_ids_still_opens_and_says_no_id() -> None:
    nonce = bytes(12)
    old = b"\x01" + nonce + AESGCM(KEY).encrypt(nonce, b"of before", CLIENT.encode())
    assert SecretBox(KEY[::-1], KEY).open(old, CLIENT) == "of before"
    assert sealed_with(old) is None


def test_a_sealed_secret_names_its_key_and_opens_beside_a_newer_one() -> None:
    sealed = SecretBox(KEY).seal("s", CLIENT)
    assert sealed_with(sealed) == key_id(KEY) == SecretBox(KEY).key_id
    newer = SecretBox(KEY[::-1], KEY)
    assert newer.open(sealed, CLIENT) == "s"
    assert sealed_with(newer.seal("s", CLIENT)) == key_id(KEY[::-1])


def test_a_process_finds_a_key_that_another_one_has_brought() -> None:
    there: list[bytes] = []
    box = SecretBox(KEY, look_again=lambda: there)
    sealed = SecretBox(KEY[::-1]).seal("s", CLIENT)
    with pytest.raises(SealError):
        box.open(sealed, CLIENT)
    there.append(KEY[::-1])
    assert box.open(sealed, CLIENT) == "s"
