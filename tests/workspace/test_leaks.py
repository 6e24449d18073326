"""Nothing of the machine that it was written on stands in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace.leaks import leaks, places_of_this_machine
from tests.workspace.tree import ROOT, kept_files, none_of

HOME = "/" + "home"  # written apart, so that this file itself is looked at


def test_nothing_of_a_machine_is_kept() -> None:
    assert none_of(leaks(kept_files(), places_of_this_machine(ROOT)))


@pytest.mark.parametrize(
    "line",
    [
        f"data = '{HOME}/somebody/data'",
        f"see {HOME}/somebody/x.py:3",
        "find" + "-links = /somewhere/wheels",
        "PIP_INDEX" + '_URL="https://packages.example.org/simple"',
        "--extra-index" + "-url file:///somewhere/simple",
    ],
)
def test_a_leak_is_seen(tmp_path: Path, line: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_text(f"fine\n{line}\n", encoding="utf-8")
    (found,) = leaks([file], [])
    assert found.startswith(f"{file}:2:")


def test_a_place_of_this_machine_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("cache = '/deep/place/of/ours/x'\n", encoding="utf-8")
    assert leaks([file], []) == []
    assert len(leaks([file], ["/deep/place/of/ours"])) == 1


@pytest.mark.parametrize(
    "line",
    [
        'UV_FIND_LINKS = "{env:UV_FIND_LINKS:{env:PIP_FIND_LINKS:}}"',
        "uri = 'file:///data/a.json'",
        "work_dir = '/tmp/run'",
        "uv pip install --find-links dist engine-config",
        "see https://example.org/home/page/x",
    ],
)
def test_what_is_of_no_machine_may_stand(tmp_path: Path, line: str) -> None:
    file = tmp_path / "good.txt"
    file.write_text(line, encoding="utf-8")
    assert leaks([file], []) == []


def test_a_binary_file_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    file.write_bytes(f"\0{HOME}/somebody/x".encode())
    assert leaks([file], []) == []


def test_places_are_deep_enough_to_mean_something() -> None:
    assert all(place.strip("/").count("/") >= 1 for place in places_of_this_machine(ROOT))
    assert places_of_this_machine(Path("/app")).isdisjoint({"/app"})
