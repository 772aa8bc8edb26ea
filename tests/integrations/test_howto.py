"""What docs/howto/write-an-integration.md shows is what runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "write-an-integration.md"


def test_the_integration_and_the_test_of_the_howto_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "howto"}
    for block in blocks:
        exec(compile(block, str(HOWTO), "exec"), names)  # noqa: S102  # our own page
    assert names["clinic_pull"].begins
    assert len(names["tasks"]) == 4
