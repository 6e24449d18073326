"""``_delete_`` is True or False, in files, in programs and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import Config, ConfigTypeError
from tests.config.files import write


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.py", "_base_ = 'base.py'\nm = dict(_delete_='yes', z=1)\n"),
        ("c.py", "_base_ = 'base.py'\nm = dict(_delete_=None, z=1)\n"),
        ("c.py", "_base_ = 'base.py'\nm = dict(z=dict(_delete_='no'))\n"),
        ("c.py", "x = 1\nnew = dict(_delete_='no')\n"),
        ("c.json", '{"_base_": "base.py",\n "m": {"_delete_": "yes", "z": 1}}'),
        ("c.yaml", "_base_: base.py\nm: {_delete_: 'yes', z: 1}\n"),
    ],
)
def test_delete_is_true_or_false(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, {name: text, "base.py": "m = dict(x=1)\n"})
    for trusted in (True, False):
        with pytest.raises(ConfigTypeError, match=rf"{name}:2: .*_delete_ is True or False, got"):
            Config.fromfile(path, trusted=trusted)


def test_delete_is_true_or_false_from_a_program() -> None:
    cfg = Config({"m": {"x": 1}})
    for options in ({"m": {"_delete_": "yes"}}, {"m._delete_": "yes"}):
        with pytest.raises(ConfigTypeError, match=r"m\._delete_ is True or False, got 'yes'"):
            cfg.merge_from_dict(options)
    with pytest.raises(ConfigTypeError, match="_delete_ is True or False, got 'yes'"):
        cfg.m.merge({"_delete_": "yes"})
    cfg.m.merge({"_delete_": 1, "y": 2})
    assert cfg.m == {"y": 2}
