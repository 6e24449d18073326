"""Where the files of a config copied a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import Config, copies_of

TEXT = """
width = 8
steps = [dict(type='A'), dict(type='B', n=width)]
name: str = f"run_{width}"
data = dict(inner=dict(steps=steps), all=[0, steps])
other = data
other['more'] = {'w': width}
late = dict()
late.update(size=width)
late['grown'] = [1] + steps
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("name", []),
        ("nowhere", []),
        ("steps.1.n", [
            "data.inner.steps.1.n", "data.all.1.1.n", "late.grown",
            "other.inner.steps.1.n", "other.all.1.1.n",
        ]),
        ("data.inner", ["other.inner"]),
    ],
)  # fmt: skip
def test_paths_of_copies(tmp_path: Path, path: str, found: list[str]) -> None:
    (tmp_path / "c.py").write_text(TEXT)
    assert copies_of(Config.fromfile(tmp_path / "c.py"), path) == found


def test_what_is_made_from_a_value(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(TEXT)
    found = copies_of(Config.fromfile(tmp_path / "c.py"), "width")
    assert {"steps.1.n", "name", "other.more.w", "late", "data.inner.steps.1.n"} <= set(found)


@pytest.mark.parametrize("use", ["{{_base_.lr}}", "_base_.lr"])
def test_values_of_a_base(tmp_path: Path, use: str) -> None:
    (tmp_path / "b.py").write_text("lr = 1\nfactor = lr\n")
    (tmp_path / "c.py").write_text(f"_base_ = 'b.py'\noptimizer = dict(lr={use})\n")
    assert copies_of(Config.fromfile(tmp_path / "c.py"), "lr") == ["factor", "optimizer.lr"]


def test_the_lazy_style(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("lr = 1\n")
    (tmp_path / "c.py").write_text(
        "from engine_config import read_base\nwith read_base():\n    from .b import *\n"
        "optimizer = dict(lr=lr)\n"
    )
    assert copies_of(Config.fromfile(tmp_path / "c.py"), "lr") == ["optimizer.lr"]


def test_where_there_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("lr: 1\noptimizer: {lr: 1}\n")
    assert copies_of(Config.fromfile(tmp_path / "c.yaml"), "lr") == []
    assert copies_of(Config({"lr": 1}), "lr") == []
