"""Reading, printing and using a tree of configs, in both styles, against MMEngine."""

from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import config_trees, harness

Work = Callable[[], object]
CHANGES = {
    "optim_wrapper.optimizer.lr": 0.1,
    "model.backbone.depth": 101,
    "train_cfg.max_epochs": 24,
}


def _config(home: str) -> Any:
    return importlib.import_module(f"{home}.config").Config


def _read(home: str, lazy: bool) -> Work:
    config = _config(home)
    folder = config_trees.temporary()
    path = str(config_trees.tree(folder.name, lazy=lazy, home=home))

    def work() -> object:
        return config.fromfile(path), folder

    return work


def _used(home: str, what: str) -> Work:
    """Set up one way to use a config that was read."""
    with config_trees.temporary() as folder:
        cfg = _config(home).fromfile(str(config_trees.tree(folder, lazy=False)))
    if what == "merge":
        return lambda: cfg.merge_from_dict(CHANGES)
    if what == "print":
        return lambda: cfg.pretty_text
    if what in ("dump", "yaml"):
        target = config_trees.temporary()
        path = f"{target.name}/dumped.{'py' if what == 'dump' else 'yaml'}"
        return lambda: (cfg.dump(path), target)
    if what == "deepcopy":
        return lambda: copy.deepcopy(cfg)
    if what == "pickle":
        return lambda: pickle.loads(pickle.dumps(cfg))

    def attribute() -> None:
        for _ in range(1000):
            cfg.optim_wrapper.optimizer.lr  # noqa: B018 - reading is what is timed

    return attribute


def make_engine_text() -> Work:
    """Read the text style."""
    return _read("engine_config", False)


def make_engine_lazy() -> Work:
    """Read the lazy style."""
    return _read("engine_config", True)


def make_engine_data() -> Work:
    """Read the text style as data."""
    work = _read("engine_config", False)
    config = _config("engine_config")
    path = config.fromfile(work()[0].filename).filename  # type: ignore[index]  # of _read

    return lambda: (config.fromfile(path, trusted=False), work)


def make_theirs_text() -> Work:
    """Read the text style with MMEngine."""
    return _read("mmengine", False)


def make_theirs_lazy() -> Work:
    """Read the lazy style with MMEngine."""
    return _read("mmengine", True)


def make_bare() -> Work:
    """Compile, run and merge the text style, and do nothing else."""
    folder = config_trees.temporary()
    top = config_trees.tree(folder.name, lazy=False)

    def merge(new: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
        merged = dict(base)
        for key, value in new.items():
            old = merged.get(key)
            both = isinstance(value, dict) and isinstance(old, dict)
            merged[key] = merge(value, old) if both else value  # type: ignore[arg-type]  # both are
        return merged

    def read(path: Path) -> dict[str, Any]:
        scope: dict[str, Any] = {}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        del scope["__builtins__"]
        base: dict[str, Any] = {}
        for name in scope.pop("_base_", ()):
            base.update(read(path.parent / name))
        return merge(scope, base)

    return lambda: (read(top), folder)


def make_without_provenance() -> Work:
    """Read the text style and note no places."""
    from engine_config.reading.evaluation import fresh

    module: Any = importlib.import_module("engine_config.config")
    work = _read("engine_config", False)
    path = work()[0].filename  # type: ignore[index]  # of _read
    noting = module.build

    def without() -> object:
        module.build = lambda values, record: fresh(values)
        try:
            return module.Config.fromfile(path), work
        finally:
            module.build = noting

    return without


def make_explained() -> Work:
    """Read the text style and ask where one value was set."""
    work = _read("engine_config", False)
    return lambda: work()[0].provenance("optim_wrapper.optimizer.lr")  # type: ignore[index]  # of _read


def theirs_print() -> Work:
    """Print with MMEngine."""
    return _used("mmengine", "print")


def theirs_dump() -> Work:
    """Print to a file with MMEngine."""
    return _used("mmengine", "dump")


def theirs_yaml() -> Work:
    """Write a YAML file with MMEngine."""
    return _used("mmengine", "yaml")


def theirs_merge() -> Work:
    """Merge three dotted keys with MMEngine."""
    return _used("mmengine", "merge")


def theirs_deepcopy() -> Work:
    """Copy with MMEngine."""
    return _used("mmengine", "deepcopy")


def theirs_pickle() -> Work:
    """Pickle and read back with MMEngine."""
    return _used("mmengine", "pickle")


def theirs_attribute() -> Work:
    """Read a deep attribute of MMEngine's."""
    return _used("mmengine", "attribute")


_HERE = "benchmarks.config_read"


def _against(what: str, bound: float, settings: harness.Settings) -> bool:
    found = harness.compare(
        {
            "mmengine": harness.elsewhere(f"{_HERE}:theirs_{what}"),
            "engine": lambda: _used("engine_config", what),
        },
        reference="mmengine",
        at_most={"engine": bound},
        settings=settings,
        units=1000 if what == "attribute" else 1,
    )
    print(harness.table(f"A config of the tree: {what}", found))
    return all(one.holds for one in found)


def main() -> int:
    """Run all comparisons; return 1 where a bound is not kept."""
    settings = harness.settings_from(harness.parser("Reading configs").parse_args())
    tables = {
        "Reading the text style": harness.compare(
            {
                "mmengine": harness.elsewhere(f"{_HERE}:make_theirs_text"),
                "engine": make_engine_text,
                "engine, as data": make_engine_data,
                "engine, and one explained": make_explained,
                "compile, exec, merge": make_bare,
            },
            reference="mmengine",
            at_most={"engine": 1 / 8},
            settings=settings,
        ),
        "Reading the lazy style": harness.compare(
            {
                "mmengine": harness.elsewhere(f"{_HERE}:make_theirs_lazy"),
                "engine": make_engine_lazy,
            },
            reference="mmengine",
            at_most={"engine": 1 / 4},
            settings=settings,
        ),
        "What provenance costs": harness.compare(
            {"without": make_without_provenance, "with provenance": make_engine_text},
            reference="without",
            at_most={"with provenance": 1.3},
            settings=settings,
        ),
    }
    for title, found in tables.items():
        print(harness.table(title, found))
    kept = [one.holds for found in tables.values() for one in found]
    bounds = {
        "print": 1 / 30,
        "dump": 1 / 30,
        "yaml": 1.1,
        "merge": 1.0,
        "attribute": 1.0,
        "deepcopy": 1.0,
        "pickle": 1.0,
    }
    for what, bound in bounds.items():
        kept.append(_against(what, bound, settings))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
