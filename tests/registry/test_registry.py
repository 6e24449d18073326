"""Registering and looking up."""

from __future__ import annotations

import collections
import copy
import logging
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine_registry import DuplicateNameError, Registry


class Net:
    pass


class Other:
    pass


def make() -> int:
    return 3


@pytest.fixture
def nets() -> Registry[Any]:
    return Registry("net", scope="test")


def test_decorator_keeps_the_class(nets: Registry[Any]) -> None:
    assert nets.register_module()(Net) is Net
    assert nets.get("Net") is Net


def test_call_registers_a_function_under_several_names(nets: Registry[Any]) -> None:
    assert nets.register_module(name=["one", "two"], module=make) is make
    assert nets.get("one") is nets.get("two") is make
    assert nets.get("make") is None


def test_partial_by_name(nets: Registry[Any]) -> None:
    nets.register_module(name="three", module=partial(int, "3"))
    assert nets.build({"type": "three"}) == 3


@pytest.mark.parametrize(
    "key", ["Net", "test.Net", f"{__name__}.Net", Net], ids=["name", "scope", "path", "class"]
)
def test_look_up_by(nets: Registry[Any], key: str | type) -> None:
    nets.register_module(module=Net)
    assert nets.get(key) is Net


def test_look_up_of_nothing(nets: Registry[Any]) -> None:
    for key in ("Net", "test.Net", "nowhere.Net", "collections.Nothing", "no such.name", "."):
        assert nets.get(key) is None
        assert key not in nets


def test_look_up_of_what_is_no_key(nets: Registry[Any]) -> None:
    with pytest.raises(TypeError, match="a key is a str, a class or a function, got int"):
        nets.get(3)  # type: ignore[arg-type]  # the mistake that is tested


def test_nested_attribute_by_path(nets: Registry[Any]) -> None:
    assert nets.get("collections.OrderedDict.fromkeys") == collections.OrderedDict.fromkeys
    assert nets.get("collections.abc") is None  # a module is no component


def test_length_containment_and_table(nets: Registry[Any]) -> None:
    assert len(nets) == 0
    assert nets
    nets.register_module(module=Net)
    assert len(nets) == 1
    assert "Net" in nets
    assert 3 not in nets
    assert "Registry of net" in repr(nets)
    assert "Names" in repr(nets)
    assert "Net" in repr(nets)


def test_same_object_twice_is_silent(nets: Registry[Any]) -> None:
    nets.register_module(module=Net)
    nets.register_module(module=Net)
    assert len(nets) == 1


def test_same_name_twice_names_both_places(nets: Registry[Any]) -> None:
    nets.register_module(name="n", module=Net)
    with pytest.raises(DuplicateNameError) as caught:
        nets.register_module(name="n", module=Other)
    lines = [line for line in str(caught.value).split() if line.startswith(__file__)]
    assert len(lines) == 2
    assert isinstance(caught.value, KeyError)
    assert nets.get("n") is Net


def test_force_replaces(nets: Registry[Any]) -> None:
    nets.register_module(name="n", module=Net)
    nets.register_module(name="n", module=Other, force=True)
    assert nets.get("n") is Other


@pytest.mark.parametrize("first", [True, False])
def test_what_the_engine_brings_gives_way(
    nets: Registry[Any], first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ours = type("Net", (), {"__module__": "engine_evaluator.metric"})
    for module in (ours, Net) if first else (Net, ours):
        with caplog.at_level(logging.WARNING, "engine.registry"):
            nets.register_module(name="Net", module=module)
    assert nets.get("Net") is Net
    assert caplog.text.count(__file__) >= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 3}, "name must be a str"),
        ({"name": Net}, "with its parentheses"),
        ({"name": [3]}, "name must be a str"),
        ({"force": 1}, "force must be a bool"),
        ({"module": 3}, "only classes and functions"),
    ],
)
def test_wrong_registration(nets: Registry[Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        nets.register_module(**arguments)


def test_children_and_root(nets: Registry[Any]) -> None:
    child: Registry[Any] = Registry("net", parent=nets, scope="kid")
    grandchild: Registry[Any] = Registry("net", parent=child, scope="toddler")
    assert dict(nets.children) == {"kid": child}
    assert grandchild.root is child.root is nets.root is nets
    assert list(nets.tree()) == [nets, child, grandchild]
    with pytest.raises(ValueError, match="a child of scope 'kid' already"):
        Registry("net", parent=nets, scope="kid")
    with pytest.raises(TypeError, match="parent must be a Registry"):
        Registry("net", parent=3)  # type: ignore[arg-type]  # the mistake that is tested


def test_names_of_parents_children_and_siblings(nets: Registry[Any]) -> None:
    child: Registry[Any] = Registry("net", parent=nets, scope="kid")
    sibling: Registry[Any] = Registry("net", parent=nets, scope="sister")
    nets.register_module(module=Net)
    child.register_module(name="Net", module=Other)
    sibling.register_module(name="Only", module=Other)
    assert nets.get("Net") is Net
    assert child.get("Net") is Other
    assert sibling.get("Net") is Net
    assert nets.get("kid.Net") is sibling.get("kid.Net") is Other
    assert child.get("test.Net") is Net
    assert nets.get("Only") is None
    assert nets.get("sister.Only") is child.get("sister.Only") is Other


def test_a_parents_build_function_is_inherited() -> None:
    def build(cfg: Any, registry: Registry[Any]) -> Any:
        return cfg, registry

    parent: Registry[Any] = Registry("p", build_func=build, scope="test")
    child: Registry[Any] = Registry("c", parent=parent, scope="kid")
    assert child.build(3) == (3, child)


def test_scope_is_inferred() -> None:
    assert Registry("a").scope == "tests"
    assert Registry[int]("a").scope == "tests"
    assert Registry("a", scope="mmengine").scope == "engine"
    code = "from engine_registry import Registry\nregistry = Registry('a')"
    for module, scope in (("engine_runner.x", "engine"), ("engine_lab.x", "engine_lab")):
        namespace: dict[str, Any] = {"__name__": module}
        exec(code, namespace)
        assert namespace["registry"].scope == scope


def test_split_scope_key() -> None:
    assert Registry.split_scope_key("a.b.c") == ("a", "b.c")
    assert Registry.split_scope_key("c") == (None, "c")


def test_locations_are_imported_at_the_first_miss(make_package: Callable[..., Path]) -> None:
    make_package(
        "located",
        nets="""
            from tests.registry import test_registry
            @test_registry.LOCATED.register_module()
            class Far: ...
        """,
    )
    LOCATED.register_module(module=Net, force=True)
    assert LOCATED.pending == ("located.nets", "located.absent", "absent")
    assert "Net" in LOCATED
    assert LOCATED.pending
    assert "Far" in LOCATED
    assert not LOCATED.pending


LOCATED: Registry[Any] = Registry(
    "located", scope="test", locations=["located.nets", "located.absent", "absent"]
)


def test_a_location_that_fails_is_not_hidden(make_package: Callable[..., Path]) -> None:
    make_package("broken", nets="import a_module_that_is_not_there")
    registry: Registry[Any] = Registry("broken", scope="test", locations=["broken.nets"])
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
            registry.get("Net")


def test_pickling_and_copying(nets: Registry[Any]) -> None:
    nets.register_module(module=Net)
    Registry("net", parent=nets, scope="kid")
    for other in (pickle.loads(pickle.dumps(nets)), copy.deepcopy(nets)):
        assert other.get("Net") is Net
        assert other.children["kid"].root is other
        other.register_module(module=Other)
        assert "Other" not in nets


def test_a_name_with_dots_is_found_by_itself_and_by_children(nets: Registry[Any]) -> None:
    nets.register_module(name="my.net", module=Net)
    child: Registry[Any] = Registry("net", parent=nets, scope="kid")
    for registry in (nets, child):
        assert registry.get("my.net") is Net
        assert type(registry.build({"type": "my.net"})) is Net
