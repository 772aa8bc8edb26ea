"""The names of all collections, for those that have to know them before they are declared."""

from pathlib import Path
from pkgutil import iter_modules
from typing import Final

NAMES: Final = tuple(
    sorted(
        name
        for _, name, _ in iter_modules([str(Path(__file__).parent)])
        if not name.startswith("_")
    )
)
