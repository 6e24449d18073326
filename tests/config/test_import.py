"""The package alone is cheap: no torch, no numpy, and nothing that is not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine_config import Config
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
    assert "engine_config.fileio" not in loaded
    engine = {name.split(".")[0] for name in loaded if name.startswith("engine_")}
    assert engine == {"engine_config"}


def test_yaml_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match="pip install pyyaml"):
        Config.fromfile(write(tmp_path, {"c.yaml": "a: 1"}))
