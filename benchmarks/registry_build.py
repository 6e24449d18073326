"""What building a small class from a config costs above calling its constructor."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks import harness

BUILDS = 1_000


class Small:
    """A component with two arguments."""

    def __init__(self, first: int, second: int = 2) -> None:
        self.first = first
        self.second = second


def _times(build: Callable[[Any], object], cfg: Any) -> Callable[[], object]:
    def work() -> None:
        for _ in range(BUILDS):
            build(cfg)

    return work


def make_constructor() -> Callable[[], object]:
    """Call the class itself."""

    def work() -> None:
        for _ in range(BUILDS):
            Small(first=1, second=3)

    return work


def make_look_up() -> Callable[[], object]:
    """Look the class up in a dict with all due care, and call it."""
    table = {"Small": Small}

    def build(cfg: dict[str, Any]) -> object:
        args = cfg.copy()
        kind = args.pop("type", None)
        if kind not in table:
            raise KeyError(kind)
        return table[kind](**args)

    return _times(build, {"type": "Small", "first": 1, "second": 3})


def _registries() -> tuple[Any, Any]:
    """Return a registry that has the class, and a child of it that has nothing."""
    from engine_registry import Registry

    registry = Registry[Small]("small", scope="benchmark")
    registry.register_module(module=Small)
    return registry, Registry[Small]("small", parent=registry, scope="downstream")


def make_dict() -> Callable[[], object]:
    """Build from a dict."""
    return _times(_registries()[0].build, {"type": "Small", "first": 1, "second": 3})


def make_config_dict() -> Callable[[], object]:
    """Build from a ConfigDict."""
    from engine_config import ConfigDict

    return _times(_registries()[0].build, ConfigDict(type="Small", first=1, second=3))


def make_child() -> Callable[[], object]:
    """Build from a dict what the parent of a registry has."""
    return _times(_registries()[1].build, {"type": "Small", "first": 1, "second": 3})


def make_catalogue() -> Callable[[], object]:
    """Look the class up in catalogue, and call it."""
    catalogue = importlib.import_module("catalogue")  # has no type information

    table = catalogue.create("benchmark", "small")
    table.register("Small", func=Small)

    def build(cfg: dict[str, Any]) -> object:
        args = cfg.copy()
        return table.get(args.pop("type"))(**args)

    return _times(build, {"type": "Small", "first": 1, "second": 3})


def make_mmengine() -> Callable[[], object]:
    """Build from a dict with MMEngine."""
    from mmengine.registry import Registry

    registry = Registry("small", scope="benchmark")
    registry.register_module(module=Small)
    return _times(registry.build, {"type": "Small", "first": 1, "second": 3})


def make_mmengine_config_dict() -> Callable[[], object]:
    """Build from a ConfigDict with MMEngine."""
    from mmengine.config import ConfigDict
    from mmengine.registry import Registry

    registry = Registry("small", scope="benchmark")
    registry.register_module(module=Small)
    return _times(registry.build, ConfigDict(type="Small", first=1, second=3))


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            f"Building a small class, {BUILDS} times",
            {
                "constructor": make_constructor,
                "careful look-up": make_look_up,
                "engine, dict": make_dict,
                "engine, ConfigDict": make_config_dict,
                "engine, dict, by a child": make_child,
                "catalogue": harness.elsewhere("benchmarks.registry_build:make_catalogue"),
                "mmengine, dict": harness.elsewhere("benchmarks.registry_build:make_mmengine"),
                "mmengine, ConfigDict": harness.elsewhere(
                    "benchmarks.registry_build:make_mmengine_config_dict"
                ),
            },
            reference="constructor",
            units=BUILDS,
            at_most={
                "engine, dict": 4.0,
                "engine, ConfigDict": 7.0,
                "engine, dict, by a child": 4.5,
            },
        )
    )
