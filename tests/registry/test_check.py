"""Checking a config before anything is built."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_config import Config, ConfigDict, ConfigLimitError, LazyObject
from engine_registry import ConfigCheckError, Registry, check, find_faults
from engine_registry.annotations import fits
from engine_registry.suggestions import nearest

if TYPE_CHECKING:
    from fractions import Fraction

NETS: Registry[Any] = Registry("net", scope="test")
TOOLS: Registry[Any] = Registry("tool", scope="test")


@NETS.register_module()
class Net:
    def __init__(
        self,
        depth: int,
        width: float = 1.0,
        norm: Literal["batch", "layer"] = "batch",
        inner: dict[str, Any] | None = None,
        sizes: Sequence[int] = (),
        odd: Fraction | None = None,
    ) -> None:
        raise AssertionError("nothing is built")


@TOOLS.register_module()
class Saw:
    def __init__(self, runner: object, teeth: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013  # an implicit None


class Passing(Net):
    def __init__(self, extra: str = "", **kwargs: Any) -> None:
        super().__init__(depth=3, **kwargs)


class ByName(Net):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Net.__init__(self, 3, *args, **kwargs)


class Twice(Passing):
    def __init__(self, other: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Bare:
    def __init__(self, bare: int = 1) -> None: ...


class Direct(Bare, Saw):
    def __init__(self, **kwargs: Any) -> None:
        Saw.__init__(self, **kwargs)


class Beyond(Bare, Saw):
    def __init__(self, **kwargs: Any) -> None:
        super(Bare, self).__init__(**kwargs)


class SameName(Saw):
    def __init__(self, **kwargs: Any) -> None:
        Saw.__init__(self, **kwargs)


SameName.__name__ = "Saw"


class Elsewhere(Bare):
    def __init__(self, **kwargs: Any) -> None:
        other = Net
        other.__init__(self, **kwargs)  # type: ignore[arg-type]  # what only running it tells


class Keeping(Net):
    def __init__(self, **kwargs: Any) -> None:
        self.kept = kwargs.pop("kept", None)
        super().__init__(**kwargs)


SOURCELESS: dict[str, Any] = {"Net": Net}
exec(
    "class Made(Net):\n    def __init__(self, **kwargs): super().__init__(**kwargs)\n", SOURCELESS
)


def messages(cfg: Any, registry: Registry[Any] | None = NETS, **how: Any) -> list[str]:
    return [f"{fault.path}: {fault.message}" for fault in find_faults(cfg, registry, **how)]


def test_all_faults_at_once_with_path_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text(
        "model = dict(type='Net',\n"
        "    dept=3,\n"
        "    width='wide',\n"
        "    inner=dict(type='Nut'))\n"
        "other = [dict(type='Net', depth=1), dict(type='Net')]\n"
    )
    with pytest.raises(ConfigCheckError) as caught:
        check(Config.fromfile(file), NETS)
    assert isinstance(caught.value, ValueError)
    text = str(caught.value)
    for line in (
        "the config has 5 faults:",
        f"{file}:2: model.dept: Net takes no 'dept', did you mean 'depth'? It takes: depth, width",
        f"{file}:3: model.width: Net takes float as 'width', got 'wide'",
        ": model: Net needs 'depth' (int)",
        f"{file}:4: model.inner.type: 'Nut' is not in registry 'net'",
        f"{file}:5: other.1: Net needs 'depth' (int)",
    ):
        assert line in text
    assert [fault.path for fault in caught.value.faults] == [
        "model.dept",
        "model.width",
        "model",
        "model.inner.type",
        "other.1",
    ]


def test_nothing_wrong() -> None:
    check({"model": {"type": "Net", "depth": 3, "width": 2, "sizes": (1, 2)}, "seed": 3}, NETS)
    check({"type": "Net", "depth": 3, "odd": None}, NETS)
    check({"type": Net, "depth": 3, "inner": {"not": "a component"}})
    check(ConfigDict(type=LazyObject(__name__, "Net"), depth=3), NETS)
    check(Config({"x": [{"type": "test.Net", "depth": 3, "_scope_": "test"}]}), NETS)


def test_a_component_of_its_own_at_the_root() -> None:
    assert messages({"type": "Net"}) == [": Net needs 'depth' (int)"]
    assert str(find_faults({"type": "Net"}, NETS)[0]) == "Net needs 'depth' (int)"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"depth": "3"}, "depth: Net takes int as 'depth', got '3'"),
        ({"depth": 1.5}, "depth: Net takes int as 'depth', got 1.5"),
        ({"width": None}, "width: Net takes float as 'width', got None"),
        ({"norm": "group"}, "norm: Net takes Literal['batch', 'layer'] as 'norm', got 'group'"),
        ({"inner": 3}, "inner: Net takes dict[str, Any] | None as 'inner', got 3"),
        ({"sizes": [1, "2"]}, "sizes: Net takes collections.abc.Sequence[int] as 'sizes', "),
    ],
)
def test_wrongly_typed(more: dict[str, Any], wanted: str) -> None:
    (found,) = messages({"type": "Net", "depth": 3, **more})
    assert found.startswith(wanted)


@pytest.mark.parametrize(
    ("kind", "known", "unknown"),
    [
        (Passing, {"extra", "width"}, {"depth", "other"}),
        (ByName, {"width"}, {"depth", "extra"}),
        (Twice, {"other", "extra", "width"}, {"depth"}),
        (Direct, {"runner", "teeth"}, {"bare"}),
        (Beyond, {"runner", "teeth"}, {"bare"}),
        (SameName, {"runner", "teeth"}, {"bare"}),
        (Elsewhere, {"depth", "anything"}, set()),
        (SOURCELESS["Made"], {"anything", "width"}, set()),
        (Keeping, {"kept", "anything", "width"}, set()),
        (dict, {"anything"}, set()),
        (nearest, {"number"}, {"nothing"}),
        (partial(nearest, name="x"), {"name"}, {"nothing"}),
        (print, {"sep"}, set()),
    ],
)
def test_through_keyword_chains(kind: Any, known: set[str], unknown: set[str]) -> None:
    found = messages({"x": {"type": kind, **dict.fromkeys(known | unknown, 1)}})
    refused = {line.partition(":")[0] for line in found if " takes no " in line}
    assert refused == {f"x.{name}" for name in unknown}


def test_a_required_argument_of_a_base() -> None:
    class Needy(Net):
        def __init__(self, mine: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    assert messages({"type": Needy}) == [
        ": Needy needs 'mine' (int)",
        ": Needy needs 'depth' (int)",
    ]


def test_sections_say_where_a_name_belongs() -> None:
    cfg = {"tools": [{"type": "Saw", "runner": 1}], "net": {"type": "Saw", "runner": 1}}
    sections = {"tools.*": TOOLS, "net": NETS}
    (found,) = messages(cfg, None, sections=sections)
    assert found.startswith("net.type: 'Saw' is not in registry 'net'")
    assert "registry 'tool' of scope 'test' has 'Saw'" in found
    (found,) = messages({"net": {"type": 3}}, None, sections=sections)
    assert found == "net.type: type must be a name or a class, got 3"


def test_what_is_nested_is_looked_for_where_its_owner_is() -> None:
    cfg = {"net": {"type": "Net", "depth": 1, "inner": {"type": "Net", "dept": 3}}}
    found = messages(cfg, None, sections={"net": NETS})
    assert len(found) == 2
    assert "did you mean 'depth'" in found[0]


def test_supplied_defaults_and_ignored() -> None:
    cfg = {"tools": [{"type": "Saw"}], "nets": {"type": "Nonsense"}, "net": {"depth": "x"}}
    how: dict[str, Any] = {
        "supplied": {"tools.*": ["runner"]},
        "defaults": {"net": "Net"},
        "ignore": ["nets"],
    }
    found = messages(cfg, NETS, sections={"tools.*": TOOLS}, **how)
    assert found == ["net.depth: Net takes int as 'depth', got 'x'"]
    given = {"tools": [{"type": "Saw", "runner": 1, "blade": 2}]}
    assert messages(given, TOOLS, supplied={"tools.*": ["blade"]}) == []


def test_keys_of_the_builders() -> None:
    from engine_registry import HOOKS, build_scheduler_from_cfg

    steps: Registry[Any] = Registry("s", build_func=build_scheduler_from_cfg, scope="test")
    cfg = {"type": dict, "convert_to_iter_based": True, "epoch_length": 3}
    assert messages(cfg, steps) == []
    assert len(messages({"type": dict, "a": {**cfg, "type": Net, "depth": 1}}, TOOLS)) == 2
    HOOKS.register_module(name="NetOfTheTest", module=Net)
    try:
        assert (
            messages({"hook": {"type": "NetOfTheTest", "depth": 1, "priority": "LOW"}}, HOOKS)
            == []
        )
    finally:
        del HOOKS.module_dict["NetOfTheTest"]


def test_untrusted_names_are_faults(tmp_path: Path, make_package: Callable[..., Path]) -> None:
    make_package("trap", nets="raise SystemExit")
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"a": {"type": "os.system"}, "b": {"type": "trap.nets.Net"}}))
    found = messages(Config.fromfile(file, trusted=False))
    assert [line.partition(" ")[0] for line in found] == ["a.type:", "b.type:"]
    assert all("is refused" in line for line in found)


def test_a_broken_import_is_a_fault(make_package: Callable[..., Path]) -> None:
    make_package("broken", nets="import nowhere_at_all")
    found = messages({"a": {"type": "broken.nets.Net"}, "b": {"type": "Net"}})
    assert found[0].startswith("a.type: 'broken.nets.Net' is not in registry 'net'")
    reason = "an import failed on the way: ModuleNotFoundError: No module named 'nowhere_at_all'"
    assert found[0].count(reason) == 1
    assert found[1:] == ["b: Net needs 'depth' (int)"]


def test_the_default_scope_of_a_config_holds() -> None:
    root: Registry[Any] = Registry("net", scope="engine")
    child: Registry[Any] = Registry("net", parent=root, scope="kid")
    child.register_module(module=Saw)
    assert messages({"default_scope": "kid", "x": {"type": "Saw", "runner": 1}}, root) == []


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(PLAIN)
def test_a_value_fits_its_own_type(value: Any) -> None:
    assert fits(value, type(value))
    assert fits(value, type(value) | None)
    assert fits(value, Any)
    assert fits([value, value], list[type(value)])  # type: ignore[misc]  # a type of run time
    assert fits({"a": value}, Mapping[str, type(value)])  # type: ignore[misc]  # a type of run time


@pytest.mark.parametrize(
    ("value", "hint", "wanted"),
    [
        (True, int, True),
        (1, bool, False),
        (1, float, True),
        ([1, 2], tuple[int, int], True),
        ([1, 2, 3], tuple[int, int], False),
        ((1, 2, 3), tuple[int, ...], True),
        ((1, "2"), list[int], False),
        ("ab", list, False),
        ("ab", Sequence[str], True),
        ({"a": 1}, dict[str, str], False),
        ({"a": 1}, list[str], False),
        (1, Annotated[str, "x"], False),
        (1, Literal[True], False),
        (3, Path, True),
        (3, Callable[[], int], True),
        (LazyObject("os"), int, True),
        (3, Annotated[int, []], True),
        (3, Annotated[str, []], False),
        (3, [], True),
        (1, Literal[1, 2] | None, True),
        (iter(()), Sequence[int], False),
    ],
)
def test_fits(value: Any, hint: Any, wanted: bool) -> None:
    assert fits(value, hint) is wanted


def test_a_config_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    endless: dict[str, Any] = {}
    endless["a"] = endless
    for cfg in (deep, endless):
        with pytest.raises(
            ConfigLimitError, match="nested too deep to be checked, or holds itself"
        ):
            check(cfg)
