"""The package alone is cheap: no torch, no numpy, and nothing that is not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import engine_config
from engine_config import overrides
from tests.config.files import write

BLOCKED = "torch numpy"
PROGRAM = f"""\
import sys
for name in {BLOCKED.split()!r}:
    sys.modules[name] = None
from engine_config import Config
cfg = Config.fromfile(sys.argv[1])
cfg.dump(sys.argv[2])
print(*sys.modules)
"""


def test_what_reading_and_writing_a_config_imports(tmp_path: Path) -> None:
    file = write(
        tmp_path, {"c.py": "_base_ = 'b.yaml'\na = dict(x=2)\n", "b.yaml": "a: {x: 1, y: 2}"}
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "d.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert (tmp_path / "d.py").read_text() == "a = dict(x=2, y=2)\n"
    assert {"rich", "fsspec", "lmdb", "pymemcache"}.isdisjoint(loaded)
    # each would cost as much as a third of the package
    assert {"pathlib", "urllib.parse", "inspect", "logging", "json"}.isdisjoint(loaded)
    assert "engine_config.fileio" not in loaded
    engine = {name.split(".")[0] for name in loaded if name.startswith("engine_")}
    assert engine == {"engine_config"}


def test_names_that_are_imported_late() -> None:
    assert {"DictAction", "apply_overrides", "read_base"} <= set(dir(engine_config))
    assert engine_config.DictAction is overrides.DictAction
    typo = "DictActoin"
    with pytest.raises(AttributeError, match=f"'engine_config' has no attribute '{typo}'"):
        getattr(engine_config, typo)
