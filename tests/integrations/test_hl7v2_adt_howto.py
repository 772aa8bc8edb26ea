"""What docs/howto/receive-adt.md shows is what runs."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

from almoner.integrations.hl7v2_adt import Hl7v2AdtSettings
from tests.integrations.conftest import Place
from tests.integrations.test_hl7v2_adt import done, listening, people

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "receive-adt.md"


async def test_the_command_and_the_message_of_the_howto_work(place: Place) -> None:
    text = HOWTO.read_text(encoding="utf-8")
    (command,) = re.findall(r"^    almoner integration set hl7v2_adt (.*)$", text, re.MULTILINE)
    settings = dict(word.split("=", 1) for word in shlex.split(command))
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    async with listening(place, **settings) as port:
        code = compile(block.replace("2575", str(port)), str(HOWTO), "exec")
        names: dict[str, Any] = {}
        await asyncio.to_thread(exec, code, names)
    (task,) = await done(place)
    assert (task["status"], task["ref_ids"]) == ("succeeded", ["0001", "clinic:1001"])
    assert [row["city"] for row in await people(place)] == ["San Francisco"]


def test_every_setting_is_in_the_howto() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(named) == sorted(Hl7v2AdtSettings.__struct_fields__)
