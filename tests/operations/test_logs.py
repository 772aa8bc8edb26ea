"""Where log lines go."""

from __future__ import annotations

import io
import sys

import pytest

from almoner.operations import logs


def test_a_line_goes_to_the_stream_of_now_also_where_the_one_of_the_start_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_start, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", at_start)
    log = logs.configure("json")
    at_start.close()
    monkeypatch.setattr(sys, "stderr", now)
    log.info("still here")
    assert '"event": "still here"' in now.getvalue()
