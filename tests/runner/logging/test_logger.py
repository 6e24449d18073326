"""Where the lines of a run go."""

from __future__ import annotations

import io
import sys

import pytest

from engine_runner.logging import MMLogger


def test_lines_go_to_what_is_standard_output_now(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", first)
    logger = MMLogger.get_instance("follows-stdout", logger_name="follows")
    logger.info("one")
    first.close()
    monkeypatch.setattr(sys, "stdout", second)
    logger.info("two")
    assert second.getvalue().endswith("two\n")
