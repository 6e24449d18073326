"""What registries hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from engine_registry import (
    Registry,
    UnknownNameError,
    count_registered_modules,
    describe,
    roots,
    traverse_registry_tree,
)

NETS: Registry[Any] = Registry("net", scope="test")


@NETS.register_module()
class Net:
    """Does nothing at all.

    But for that.
    """

    def __init__(self, depth: int = 3) -> None: ...


def test_traversing(caplog: pytest.LogCaptureFixture) -> None:
    child: Registry[Any] = Registry("net", parent=NETS, scope="kid")
    with caplog.at_level(logging.INFO, "engine.registry"):
        found = traverse_registry_tree(child)
    assert found == [
        {"num_modules": 1, "scope": "test", "net": ["Net"]},
        {"num_modules": 0, "scope": "kid"},
    ]
    assert "1 names in test's registry 'net'" in caplog.text
    caplog.clear()
    traverse_registry_tree(child, verbose=False)
    assert not caplog.records


def test_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nets: Registry[Any] = Registry("net", scope="test")
    nets.register_module(module=Net)
    monkeypatch.setattr(roots, "ROOTS", {"NETS": nets})
    found = count_registered_modules(tmp_path, verbose=False)
    assert found["registries"] == {"NETS": [{"num_modules": 1, "scope": "test", "net": ["Net"]}]}
    assert json.loads((tmp_path / "modules_statistic_results.json").read_text()) == found


def test_describing() -> None:
    found = describe("Net", NETS)
    assert found.file == __file__
    assert found.line
    line = Path(__file__).read_text().splitlines()[found.line - 1 :]
    assert "class Net:" in "\n".join(line[:2])
    assert found.path == f"{__name__}.Net"
    assert found.signature == "(depth: int = 3) -> None"
    assert found.summary == "Does nothing at all."
    assert f"{__name__}.Net(depth: int = 3) -> None\n  net, {__file__}:" in str(found)
    assert str(found).endswith("\n  Does nothing at all.")


def test_describing_what_has_no_source() -> None:
    NETS.register_module(module=dict)
    assert "no source" in str(describe("dict", NETS))


def test_describing_in_all_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "ROOTS", {"A": Registry("a", scope="x"), "NETS": NETS})
    assert describe("Net").registry == "net"
    with pytest.raises(UnknownNameError, match="nearest names: 'Net'"):
        describe("Nets")


def test_the_roots_are_all_there() -> None:
    assert len(roots.ROOTS) == 23
    assert all(root.scope == "engine" and root.parent is None for root in roots.ROOTS.values())
    assert all(getattr(roots, name) is root for name, root in roots.ROOTS.items())


def test_describing_what_only_a_path_leads_to() -> None:
    found = describe("collections.OrderedDict")
    assert (found.registry, found.path) == ("", "collections.OrderedDict")
    assert "\n  not registered, " in str(found)
    assert describe(f"{__name__}.Net", NETS).registry == "net"
    assert describe("collections.Counter.fromkeys", NETS).path.endswith("Counter.fromkeys")
