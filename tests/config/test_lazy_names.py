"""What a lazy-style config names beside its values: functions of its bases, parts of its package."""

from __future__ import annotations

from pathlib import Path

from engine_config import Config
from tests.config.files import write

READ = "from engine_config import read_base\n"


def test_functions_of_a_base_may_be_called(tmp_path: Path) -> None:
    files = {
        "c.py": f"{READ}with read_base():\n    from .mid import double, n, Pair\n"
        "k = double(n)\np = Pair(1).first\n",
        "mid.py": f"{READ}with read_base():\n    from .base import *\n    from .base import double\n",
        "base.py": "from typing import NamedTuple\nn = 4\ndef double(x):\n    return x * 2\n"
        "class Pair:\n    def __init__(self, first):\n        self.first = first\n",
    }
    cfg = Config.fromfile(write(tmp_path, files), lazy_import=True)
    # they are no values of the config, as little as of the base
    assert cfg.to_dict() == {"n": 4, "k": 8, "p": 1}
    assert Config.fromstring(cfg.pretty_text, ".py").to_dict() == cfg.to_dict()


def test_a_relative_import_within_a_package_is_lazy(tmp_path: Path) -> None:
    files = {
        "c.py": f"{READ}with read_base():\n    from .zoo import *\nm = dict(type=Net)\n",
        "zoo/__init__.py": "from .nets import Net\nfrom . import heads\nhead = dict(type=heads.Head)\n",
        "zoo/nets.py": "raise RuntimeError('it is not imported')",
    }
    cfg = Config.fromfile(write(tmp_path, files), lazy_import=True)
    assert cfg.to_dict() == {"head": {"type": "zoo.heads.Head"}, "m": {"type": "zoo.nets.Net"}}
    inside = {"zoo/sub/__init__.py": "from ..nets import Net\nm = dict(type=Net)\n"}
    cfg = Config.fromfile(write(tmp_path, inside), lazy_import=True)
    assert cfg.to_dict() == {"m": {"type": "zoo.nets.Net"}}
