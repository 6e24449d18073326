"""Errors that end the search."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config
from engine_registry import DefaultScope, Registry, RegistryError, UnknownNameError
from engine_registry.suggestions import nearest

Make = Callable[..., Path]


class Known:
    pass


def message(registry: Registry[Any], name: str) -> str:
    with pytest.raises(UnknownNameError) as caught:
        registry.build({"type": name})
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, RegistryError)
    return str(caught.value)


def test_every_scope_and_module_searched(make_package: Make) -> None:
    make_package("herd", cows="")
    root: Registry[Any] = Registry("cow", scope="test", locations=["herd.cows", "herd.calves"])
    child: Registry[Any] = Registry("cow", parent=root, scope="kid")
    child.register_module(name="Berta", module=Known)
    text = message(child, "Bertha")
    assert "'Bertha' is not in registry 'cow'" in text
    assert "of scope 'kid' (1 names)" in text
    assert "of scope 'test' (0 names), modules herd.cows; not installed: herd.calves" in text
    assert "nearest names: 'Berta'" in text
    assert "custom_imports=dict(imports=" in text


def test_the_default_scopes_registry_is_named_too() -> None:
    root: Registry[Any] = Registry("cow", scope="test")
    Registry("cow", parent=root, scope="kid")
    with DefaultScope.overwrite_default_scope("kid"):
        assert "scope 'kid' (0 names)" in message(root, "Bertha")


def test_a_scope_that_is_not_there() -> None:
    root: Registry[Any] = Registry("cow", scope="test")
    assert "no registry of scope 'nowhere'" in message(root, "nowhere.Bertha")


def test_another_registry_has_it() -> None:
    root: Registry[Any] = Registry("cow", scope="test")
    child: Registry[Any] = Registry("cow", parent=root, scope="kid")
    other: Registry[Any] = Registry("horse", scope="test")
    child.register_module(name="Berta", module=Known)
    other.register_module(name="Bruno", module=Known)
    assert "write 'kid.Berta'" in message(root, "Berta")
    assert "registry 'horse' of scope 'test' has 'Bruno'" in message(root, "Bruno")


REGISTERS = """
from somewhere import COWS
@COWS.register_module(name=["Berta", "Bertha"])
class Cow: ...

@COWS.register_module()
def make(): ...
"""


@pytest.mark.parametrize("name", ["Berta", "make"])
def test_a_module_that_is_not_imported_has_it(make_package: Make, name: str) -> None:
    folder = make_package("herd", cows=REGISTERS, broken="def (")
    registry: Registry[Any] = Registry("cow", scope="herd")
    text = message(registry, name)
    line = 4 if name == "Berta" else 7
    assert f"{folder / 'cows.py'}:{line} registers {name!r} and is not imported" in text
    assert "import herd.cows, or set custom_imports=dict(imports=['herd.cows'])" in text
    assert not {"herd", "herd.cows"} & set(sys.modules)


def test_what_is_not_trusted_is_not_told_to_import(make_package: Make) -> None:
    make_package("herd", cows=REGISTERS)
    registry: Registry[Any] = Registry("cow", scope="herd")
    for name in ("Berta", "Resi"):
        cfg = Config.fromstring(f"type: {name}", ".yaml", trusted=False)
        with pytest.raises(UnknownNameError) as caught:
            registry.build(cfg)
        assert "the config is not trusted and imports nothing" in str(caught.value)
        assert "custom_imports" not in str(caught.value)


def test_a_location_of_another_registry_that_is_not_imported_has_it(make_package: Make) -> None:
    make_package("herd", cows=REGISTERS)
    other: Registry[Any] = Registry("horse", scope="test", locations=["herd.cows"])
    registry: Registry[Any] = Registry("cow", scope="test")
    assert "import herd.cows" in message(registry, "Bertha")
    assert other.pending


def test_an_entry_points_package_has_it(make_package: Make) -> None:
    make_package("herd", "herd=herd.cows", cows=REGISTERS)
    registry: Registry[Any] = Registry("cow", scope="test")
    assert "import herd.cows" in message(registry, "Berta")


def test_a_class_that_was_not_registered(make_package: Make) -> None:
    make_package("herd", cows="class Berta: ...")
    registry: Registry[Any] = Registry("cow", scope="herd")
    assert "cows.py:1 defines 'Berta' and is not imported" in message(registry, "Berta")
    __import__("herd.cows")
    assert "defines 'Berta' but does not register it here" in message(registry, "Berta")


def test_nearest_ignores_case_and_keeps_to_the_near() -> None:
    assert nearest("checkpointhook", ["CheckpointHook", "EMAHook"])[0] == "CheckpointHook"
    assert nearest("x", ["CheckpointHook"]) == []


def test_an_entry_point_that_helps_nothing_is_named(make_package: Make) -> None:
    make_package("herd", "herd=herd.gone\nflock=herd.cows:register", cows="")
    registry: Registry[Any] = Registry("cow", scope="test")
    names = "its entry point of group 'engine.registry' names"
    assert f"{names} herd.gone, which is not installed" in message(registry, "herd.Berta")
    assert f"{names} herd.cows, which makes none" in message(registry, "flock.Berta")


def test_a_broken_entry_point_hides_nothing(
    make_package: Make, caplog: pytest.LogCaptureFixture
) -> None:
    make_package("herd", "broken=???\nherd=herd.cows", cows=REGISTERS)
    registry: Registry[Any] = Registry("cow", scope="test")
    assert "no registry of scope 'broken'" in message(registry, "broken.Berta")
    assert "import herd.cows" in message(registry, "Berta")
    assert "???" in caplog.text
    assert "is left out" in caplog.text
