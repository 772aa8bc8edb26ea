"""The program of the demo: chronic care at an invented clinic."""

from importlib.resources import files


def source() -> str:
    """The demo's program file, as text."""
    return files("almoner.workshop").joinpath("kiwi_health.yaml").read_text(encoding="utf-8")
