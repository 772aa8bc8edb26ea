"""Where keys come from, and the home that their file is in."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from almoner import home as homes
from almoner.access.key_file import KeySource
from almoner.errors import SettingError
from almoner.settings import Settings

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
WRITTEN = base64.b64encode(KEY).decode()


def test_the_keys_of_the_settings_come_before_the_file(tmp_path: Path) -> None:
    assert KeySource(WRITTEN, tmp_path).read() == (KEY,)
    assert KeySource(
        base64.urlsafe_b64encode(KEY).decode().rstrip("=") + "\n", tmp_path
    ).first() == (KEY,)
    both = f"{base64.b64encode(OTHER).decode()} {WRITTEN}"
    assert (
        KeySource(both, tmp_path).read()
        == KeySource(both.replace(" ", ","), tmp_path).read()
        == (OTHER, KEY)
    )
    assert not list(tmp_path.iterdir())


def test_the_key_file_is_made_once_and_file_and_home_are_their_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there yet"
    source = KeySource("", home)
    assert source.read() == ()
    assert not home.exists()
    (key,) = source.first()
    assert len(key) == 32
    assert KeySource("", home).first() == (key,)
    assert [p.name for p in home.iterdir()] == ["secret.key"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "secret.key")] == [
        0o700,
        0o600,
    ]


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: KeySource("", tmp_path).first(), range(64)))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["secret.key"]


def test_keys_are_written_the_newest_first_to_a_private_file(tmp_path: Path) -> None:
    source = KeySource("", tmp_path)
    (old,) = source.first()
    source.write((OTHER, old))
    assert KeySource("", tmp_path).read() == (OTHER, old)
    assert [p.name for p in tmp_path.iterdir()] == ["secret.key"]
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "value",
    [
        "short",
        "c2hvcnQ=",
        "!" * 44,
        "ключ",
        base64.b64encode(bytes(33)).decode(),
        f"{WRITTEN} short",
    ],
)
def test_what_is_no_key_is_refused_without_being_told(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        KeySource(value, tmp_path).first()
    assert "ALMONER_SECRET_KEY" in str(refused.value)
    assert value not in str(refused.value)


def test_a_key_file_that_holds_no_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"\xff nonsense")
    with pytest.raises(SettingError, match=r"secret\.key"):
        KeySource("", tmp_path).first()
    assert (tmp_path / "secret.key").read_bytes() == b"\xff nonsense"


def test_a_home_that_cannot_be_used_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="ALMONER_SECRET_KEY"):
        KeySource("", tmp_path / "file").first()


def test_the_home_that_nobody_names_is_the_same_from_every_folder_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other, user = tmp_path / "one", tmp_path / "other", str(tmp_path / "user")
    for folder in (first, other):
        folder.mkdir()
    keys = []
    for folder in (first, other):
        monkeypatch.chdir(folder)
        keys.append(Settings.read({"HOME": user}).home)
    assert keys == [Path(user) / ".local/share/almoner"] * 2
    assert Settings.read({"HOME": user, "XDG_DATA_HOME": "/srv/data"}).home == Path(
        "/srv/data/almoner"
    )
    assert Settings.read({"HOME": user, "ALMONER_HOME": "/var/lib/almoner"}).home == Path(
        "/var/lib/almoner"
    )
    (other / ".almoner").mkdir()
    assert Settings.read({"HOME": user}).home == homes.BESIDE
