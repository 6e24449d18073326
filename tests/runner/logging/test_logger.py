"""Where the lines of a run go."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest

from engine_runner.logging import MMLogger, print_log


def test_lines_go_to_what_is_standard_output_now(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", first)
    logger = MMLogger.get_instance("follows-stdout", logger_name="follows")
    logger.info("one")
    first.close()
    monkeypatch.setattr(sys, "stdout", second)
    logger.info("two")
    assert second.getvalue().endswith("two\n")


def test_a_file_takes_the_lines_of_the_libraries_too(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "run.log"
    logger = MMLogger.get_instance("with-file", log_file=str(file), log_level="WARNING")
    try:
        logging.getLogger("engine.optim").warning("from below")
        logging.getLogger("engine.optim").info("too quiet")
        logger.error("broken")
    finally:
        logger.close()
    first, second = file.read_text().splitlines()
    assert first.endswith(" - engine.optim - WARNING - from below")
    # an error says where in the code it is
    assert "test_logger.py" in second
    assert second.endswith("broken")
    assert not MMLogger.check_instance_created("with-file")


def test_a_line_from_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    logger = MMLogger.get_instance("print-log")
    print_log("printed")
    print_log("by name", "print-log")
    print_log("to the newest", "current", logging.WARNING)
    print_log("never", "silent")
    logger.close()
    printed, by_name, newest = capsys.readouterr().out.splitlines()
    assert printed == "printed"
    assert by_name.endswith("engine - INFO - by name")
    assert newest.endswith("engine - WARNING - to the newest")
    with pytest.raises(ValueError, match="there is no MMLogger 'print-log'"):
        print_log("gone", "print-log")


def test_a_handler_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"type must be one of .*RotatingFileHandler.*'os.system'"
    ):
        MMLogger("bad", log_file=str(tmp_path / "a"), file_handler_cfg={"type": "os.system"})
