"""The default scope, and packages that are imported when their scope is named."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_registry import DefaultScope, Registry, UnknownNameError, init_default_scope
from tests.docs_examples import ROOT

PLUGIN = """
from tests.registry.test_scopes import TOOLS
from engine_registry import Registry
OWN = Registry("tool", parent=TOOLS)
@OWN.register_module()
class Saw: ...
"""
TOOLS: Registry[Any] = Registry("tool", scope="engine")


@TOOLS.register_module()
class Hammer:
    def __init__(self, size: int = 1) -> None:
        self.size = size


def current() -> str | None:
    scope = DefaultScope.get_current_instance()
    return None if scope is None else scope.scope_name


def test_overwriting() -> None:
    assert current() is None
    with DefaultScope.overwrite_default_scope("a"):
        assert current() == "a"
        with DefaultScope.overwrite_default_scope(None):
            assert current() == "a"
        with DefaultScope.overwrite_default_scope("b"):
            assert current() == "b"
        assert current() == "a"
    assert current() is None


def test_instances_by_name() -> None:
    first = DefaultScope.get_instance("scope-of-test", scope_name="a")
    DefaultScope.get_instance("scope-of-test-2", scope_name="b")
    assert current() == "b"
    assert DefaultScope.get_instance("scope-of-test") is first
    assert current() == "a"
    assert DefaultScope.check_instance_created("scope-of-test")
    with pytest.raises(TypeError, match="scope_name must be a str, got int"):
        DefaultScope("x", 3)  # type: ignore[arg-type]  # the mistake that is tested


def test_init_default_scope() -> None:
    init_default_scope("a")
    same = DefaultScope.get_current_instance()
    init_default_scope("a")
    assert DefaultScope.get_current_instance() is same
    init_default_scope("b")
    assert current() == "b"


def test_threads_have_a_scope_of_their_own() -> None:
    seen: list[str | None] = []
    both = threading.Barrier(2)

    def work(scope: str) -> None:
        seen.append(current())
        init_default_scope(scope)
        both.wait()
        seen.append(current())

    threads = [threading.Thread(target=work, args=(scope,)) for scope in "xy"]
    with DefaultScope.overwrite_default_scope("main"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert current() == "main"
    assert sorted(map(str, seen)) == ["None", "None", "x", "y"]


def test_tasks_have_a_scope_of_their_own() -> None:
    async def work(scope: str) -> str | None:
        init_default_scope(scope)
        await asyncio.sleep(0)
        return current()

    async def both() -> list[str | None]:
        return list(await asyncio.gather(work("x"), work("y")))

    assert asyncio.run(both()) == ["x", "y"]


@pytest.mark.parametrize("scope", ["engine", "mmengine"])
def test_the_root_has_two_names(scope: str) -> None:
    assert TOOLS.get(f"{scope}.Hammer") is Hammer
    with DefaultScope.overwrite_default_scope(scope):
        assert TOOLS.build({"type": "Hammer", "size": 3}).size == 3
        assert TOOLS.build({"type": f"{scope}.Hammer"}).size == 1
    assert TOOLS.build({"type": "Hammer", "_scope_": scope}).size == 1


@pytest.mark.parametrize("entry_point", [None, "saws=saws.registry", "saws=saws.other"])
def test_a_scopes_package_is_imported_when_named(
    make_package: Callable[..., Path], entry_point: str | None
) -> None:
    tools: Registry[Any] = Registry("tool", scope="engine")
    globals()["TOOLS"] = tools
    module = "other" if entry_point == "saws=saws.other" else "registry"
    make_package("saws", entry_point, **{module: PLUGIN})
    assert tools.get("Saw") is None
    assert tools.get("x.Saw") is None
    assert "saws" not in sys.modules
    found = tools.get("saws.Saw")
    assert found is not None
    assert found.__module__ == f"saws.{module}"
    with DefaultScope.overwrite_default_scope("saws"):
        assert type(tools.build({"type": "Saw"})) is found
    assert type(tools.build({"type": "Saw", "_scope_": "saws"})) is found


def test_nothing_is_imported_at_start(make_package: Callable[..., Path]) -> None:
    tools: Registry[Any] = Registry("tool", scope="engine")
    globals()["TOOLS"] = tools
    make_package("saws", "saws=saws.registry", registry=PLUGIN)
    tools.register_module(module=Hammer)
    tools.build({"type": "Hammer"})
    assert "saws" not in sys.modules


START = """
import sys
import engine_registry
heavy = {"torch", "numpy", "rich", "importlib.metadata", "saws"} & set(sys.modules)
if heavy:
    raise SystemExit(f"imported at the start: {heavy}")
registry = engine_registry.TASK_UTILS
registry.register_module(name="Hammer", module=dict)
registry.build({"type": "Hammer", "size": 3})
if any(name.partition(".")[0] == "saws" for name in sys.modules):
    raise SystemExit("imported for another's name")
print(type(registry.build({"type": "blades.Saw"})).__module__)
"""


def test_a_plug_in_is_imported_when_its_scope_is_named_and_not_before(
    make_package: Callable[..., Path],
) -> None:
    module = """
    from engine_registry import TASK_UTILS, Registry
    TOOLS = Registry("tool", parent=TASK_UTILS, scope="blades")
    @TOOLS.register_module()
    class Saw: ...
    """
    folder = make_package("saws", "blades=saws.models", models=module)
    sources = [str(folder.parent), *(str(path) for path in ROOT.glob("packages/*/src"))]
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("saws.models", 0), done.stderr


def test_a_scope_of_a_broken_package_does_not_hide_why(make_package: Callable[..., Path]) -> None:
    make_package("saws", registry="raise ZeroDivisionError('why')")
    with pytest.raises(ZeroDivisionError, match="why"):
        TOOLS.get("saws.Saw")


def test_switching(caplog: pytest.LogCaptureFixture) -> None:
    root: Registry[Any] = Registry("tool", scope="engine")
    child: Registry[Any] = Registry("tool", parent=root, scope="kid")
    with root.switch_scope_and_registry("kid") as found:
        assert found is child
        assert current() == "kid"
    with root.switch_scope_and_registry(None) as found:
        assert found is root
    assert not caplog.records
    with (
        caplog.at_level(logging.WARNING, "engine.registry"),
        root.switch_scope_and_registry("nobody") as found,
    ):
        assert found is root
    assert "'nobody'" in caplog.text


def test_scope_of_a_config_holds_inside_the_constructor() -> None:
    root: Registry[Any] = Registry("tool", scope="engine")
    child: Registry[Any] = Registry("tool", parent=root, scope="kid")

    @child.register_module()
    class Box:
        def __init__(self, inner: dict[str, Any] | None = None) -> None:
            self.inner = root.build(inner) if inner else None

    box = root.build({"type": "Box", "_scope_": "kid", "inner": {"type": "Box"}})
    assert type(box.inner) is Box
    with pytest.raises(UnknownNameError):
        root.build({"type": "Box"})


def test_default_scope_first_then_the_registry_itself() -> None:
    root: Registry[Any] = Registry("tool", scope="engine")
    child: Registry[Any] = Registry("tool", parent=root, scope="kid")
    root.register_module(name="Hammer", module=int)
    child.register_module(name="Hammer", module=float)
    child.register_module(name="Own", module=str)
    with DefaultScope.overwrite_default_scope("kid"):
        assert root.build({"type": "Hammer"}) == 0.0
        assert type(root.build({"type": "Hammer"})) is float
    with DefaultScope.overwrite_default_scope("engine"):
        assert type(child.build({"type": "Hammer"})) is int
        assert child.build({"type": "Own"}) == ""


def test_a_name_through_two_scopes() -> None:
    dogs: Registry[Any] = Registry("dog", scope="animals")
    hounds: Registry[Any] = Registry("dog", scope="hound", parent=dogs)
    little: Registry[Any] = Registry("dog", scope="little_hound", parent=hounds)

    @little.register_module()
    class Dachshund:
        pass

    for key in ("hound.little_hound.Dachshund", "little_hound.Dachshund"):
        assert dogs.get(key) is Dachshund
        assert isinstance(dogs.build({"type": key}), Dachshund)
    assert hounds.get("little_hound.Dachshund") is Dachshund
    assert dogs.get("hound.no_hound.Dachshund") is None
    assert dogs.get("hound.little_hound.Poodle") is None
