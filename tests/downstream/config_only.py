"""Read a configuration file where engine-config is the only package of ours.

Usage: ``python config_only.py FILE [DOTTED_KEY]``
"""

from __future__ import annotations

import importlib.util
import sys
from functools import reduce

from engine_config import Config

ABSENT = ["torch", "numpy", "engine_registry", "engine_dist", "engine_runner"]


def main(file: str, key: str = "train_cfg.max_epochs") -> int:
    """Print one value of the file; return 1 if something is here that must not be."""
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    if present:
        print(f"this environment is not engine-config alone: it has {', '.join(present)}")
        return 1
    cfg = Config.fromfile(file, import_custom_modules=False)
    value = reduce(lambda node, part: node[part], key.split("."), cfg)
    print(f"{key} = {value!r}")
    loaded = [name for name in ABSENT if name in sys.modules]
    return len(loaded)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
