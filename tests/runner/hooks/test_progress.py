"""How far it is, on the terminal."""

from __future__ import annotations

import functools
import io
import re
import sys
from pathlib import Path

import pytest

from engine_runner import Runner
from engine_runner.hooks import ProgressHook
from engine_runner.logging import ProgressBar, console
from tests.runner.toys import run_cfg


class Terminal(io.StringIO):
    """A terminal that remembers what it showed."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        """Return the text, without what moves the cursor and sets colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


def look(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard output a terminal, for the test that calls it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    # one console for all of a process, which knows the terminal that it was made for
    monkeypatch.setattr(console, "_console", functools.cache(console._console.__wrapped__))
    return terminal


def test_a_bar_below_the_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    terminal = look(monkeypatch)
    cfg = run_cfg(tmp_path, log_level="INFO", train_cfg={"max_epochs": 1})
    cfg["default_hooks"]["progress"] = {"type": "ProgressHook", "interval": 1}
    Runner(**cfg).train()
    text = terminal.shown()
    assert "training" in text
    assert "━" in text
    assert "Epoch(train)" in text


def test_what_stands_around_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look(monkeypatch)
    with ProgressBar("steps", total=8) as bar:
        bar.update(3, fields="loss: [0.5]")
    text = terminal.shown()
    assert "steps" in text
    assert "3/8" in text
    assert "loss: [0.5]" in text


def test_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 1})).train()
    with ProgressBar("steps", total=8) as bar:
        bar.update(3)
    assert capsys.readouterr().out == ""


def test_an_interval_below_one() -> None:
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        ProgressHook(interval=0)
