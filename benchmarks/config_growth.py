"""Time grows with the size of a config and no faster: 3,000 lines ten times against 30,000.

What grows with the square would take ten times as long a line; the bound leaves room for the
processor's caches, which the large config does not fit into.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from benchmarks import config_trees, harness

Work = Callable[[], object]
SMALL, LARGE = 3_000, 30_000
WAYS = ("read", "read as data", "explain", "print", "deepcopy", "override", "set by a program")


def _work(what: str, lines: int) -> Work:
    from engine_config import Config

    folder = config_trees.temporary()
    path = config_trees.long_config(folder.name, lines)
    cfg = Config.fromfile(path)
    short = Config.fromfile(config_trees.long_config(folder.name, 10))
    ways: dict[str, Callable[[], Any]] = {
        "read": lambda: Config.fromfile(path),
        "read as data": lambda: Config.fromfile(path, trusted=False),
        "explain": lambda: Config.fromfile(path).provenance("part1.norm.eps"),
        "print": lambda: cfg.pretty_text,
        "deepcopy": lambda: copy.deepcopy(cfg),
        "override": lambda: cfg.merge_from_dict({"part1.norm.eps": 1}),
        "set by a program": lambda: _set(copy.deepcopy(short), lines),
    }
    way = ways[what]

    def work() -> object:
        for _ in range(LARGE // lines):
            way()
        return folder

    return work


def _set(cfg: Any, keys: int) -> None:
    for number in range(keys):
        cfg[f"key{number}"] = number


def main() -> int:
    """Run a comparison for each way; return 1 where a bound is not kept."""
    settings = harness.settings_from(harness.parser("Growth").parse_args())
    kept = []
    for what in WAYS:
        found = harness.compare(
            {
                f"{SMALL} lines": lambda what=what: _work(what, SMALL),  # type: ignore[misc]  # bound here
                f"{LARGE} lines": lambda what=what: _work(what, LARGE),  # type: ignore[misc]  # bound here
            },
            reference=f"{SMALL} lines",
            units=LARGE,
            at_most={f"{LARGE} lines": 2.0},
            settings=settings,
        )
        print(harness.table(f"Growth, a line: {what}", found))
        kept += [one.holds for one in found]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
