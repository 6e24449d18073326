"""What data may name."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigDict
from engine_registry import (
    DefaultScope,
    RefusedNameError,
    Registry,
    UnknownNameError,
    build_as,
    build_runner_from_cfg,
    build_scheduler_from_cfg,
    guard,
    restrict,
)


class Net:
    def __init__(self, inner: Any = None) -> None:
        self.inner = None if inner is None else NETS.build(dict(inner))


NETS: Registry[Any] = Registry("net", scope="test")
NETS.register_module(module=Net)

REACHED_ELSEWHERE = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "shutil.os.system",
    "subprocess.Popen",
    "logging.os.popen",
    "collections._sys.exit",
    "importlib.import_module",
]


def untrusted(tmp_path: Path, **values: Any) -> ConfigDict:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model": values}))
    node: ConfigDict = Config.fromfile(file, trusted=False).model
    return node


def test_registered_names_are_built(tmp_path: Path) -> None:
    assert type(NETS.build(untrusted(tmp_path, type="Net"))) is Net
    assert type(NETS.build(untrusted(tmp_path, type="test.Net"))) is Net
    # also by their path, for that is what a dumped config holds
    assert type(NETS.build(untrusted(tmp_path, type=f"{__name__}.Net"))) is Net


@pytest.mark.parametrize("name", REACHED_ELSEWHERE)
def test_others_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RefusedNameError, match="the config is not trusted"):
        NETS.build(untrusted(tmp_path, type=name))


@pytest.mark.parametrize("name", REACHED_ELSEWHERE)
def test_an_allowed_module_does_not_lend_what_it_imports(tmp_path: Path, name: str) -> None:
    allowed = name.partition(".")[0]
    own = {"os": "posix.system", "posix": None, "builtins": None, "subprocess": None}
    with restrict(*({allowed} - {"posix", "builtins", "subprocess", "importlib"})):
        for build in (NETS.build, NETS.build):
            with pytest.raises(RefusedNameError) as caught:
                build(untrusted(tmp_path, type=name))
    if own.get(allowed):
        assert f"which is {own[allowed]}" in str(caught.value)


def test_what_lies_under_an_allowed_prefix(tmp_path: Path) -> None:
    with restrict("collections"):
        assert NETS.build(untrusted(tmp_path, type="collections.Counter")) == {}
        assert NETS.get("collections.Nothing") is None
    for prefix in ("collection", "collections.abc", "Counter"):
        with restrict(prefix), pytest.raises(RefusedNameError):
            NETS.build(untrusted(tmp_path, type="collections.Counter"))


def test_plain_dicts_are_restricted_inside_the_block() -> None:
    with restrict():
        assert type(NETS.build({"type": "Net"})) is Net
        assert type(NETS.build({"type": Net})) is Net
        for kind in (os.system, "os.system", shutil.rmtree, partial(os.system, "ls")):
            with pytest.raises(RefusedNameError):
                NETS.build({"type": kind})
        with pytest.raises(RefusedNameError):
            assert "os.system" in NETS
    assert NETS.get("os.system") is os.system


def test_a_block_inside_narrows() -> None:
    with restrict("collections"):
        with restrict("os", "collections.Counter"):
            assert NETS.get("collections.Counter") is not None
            for name in ("os.system", "collections.OrderedDict"):
                with pytest.raises(RefusedNameError):
                    NETS.get(name)
        assert NETS.get("collections.OrderedDict") is not None


def test_what_a_constructor_builds_of_a_copy_is_restricted_too(tmp_path: Path) -> None:
    node = untrusted(tmp_path, type="Net", inner={"type": "os.getcwd"})
    with pytest.raises(RefusedNameError):
        NETS.build(node)


def test_refused_names_are_not_imported(tmp_path: Path, make_package: Callable[..., Path]) -> None:
    make_package("trap", registry="raise SystemExit", nets="raise SystemExit")
    for name in ("trap.Net", "trap.nets.Net"):
        with pytest.raises(RefusedNameError):
            NETS.build(untrusted(tmp_path, type=name))
    assert type(NETS.build(untrusted(tmp_path, type="Net", _scope_="trap"))) is Net


def test_runners_and_schedulers_are_restricted(tmp_path: Path) -> None:
    with pytest.raises(RefusedNameError):
        build_runner_from_cfg(untrusted(tmp_path, runner_type="os.system"), NETS)
    for more in ({}, {"convert_to_iter_based": True, "epoch_length": 1}):
        with pytest.raises(RefusedNameError):
            build_scheduler_from_cfg(untrusted(tmp_path, type="os.system", **more), NETS)


def test_lazy_values_are_not_imported(make_package: Callable[..., Path]) -> None:
    from engine_config import LazyObject

    make_package("trap", nets="raise SystemExit")
    node = ConfigDict(type=LazyObject("trap.nets", "Net"))
    with restrict(), pytest.raises(RefusedNameError):
        NETS.build(node)
    allowed = ConfigDict(type="Net", inner=LazyObject("os", "system"))
    with restrict(), pytest.raises(RefusedNameError):
        NETS.build(allowed)
    assert type(NETS.build(ConfigDict(type=LazyObject(__name__, "Net")))) is Net


def test_a_guarded_block_restricts_what_is_copied_out(tmp_path: Path) -> None:
    node = untrusted(tmp_path, type="os.getcwd")
    with guard(node):
        for cfg in ({**node}, {"type": node.type}, ConfigDict(type=node.type)):
            with pytest.raises(RefusedNameError):
                NETS.build(cfg)
    with guard(ConfigDict(type=node.type)), restrict("collections"), guard(node):
        assert NETS.build({"type": "collections.Counter"}) == {}
    with guard({"type": "os.getcwd"}):
        assert NETS.build({"type": "os.getcwd"}) == str(Path.cwd())


def test_a_dictionary_made_of_one_that_is_not_trusted_is_not(tmp_path: Path) -> None:
    node = untrusted(tmp_path, type="os.getcwd")
    for made in (ConfigDict(node), pickle.loads(pickle.dumps(node)), node | {"a": 1}):
        with pytest.raises(RefusedNameError):
            NETS.build(made)


def test_defaults_that_are_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(RefusedNameError):
        NETS.build({}, default_args=untrusted(tmp_path, type="os.getcwd"))


def test_a_bare_name_calls_nothing_that_was_not_asked_for(tmp_path: Path) -> None:
    marker = tmp_path / "called"
    globals()["leave_a_mark"] = marker.touch
    node = untrusted(tmp_path, mark=f"{__name__}.leave_a_mark")
    with pytest.raises(TypeError, match=r"expected Net: .*leave_a_mark"):
        build_as(NETS, node.mark, Net)
    assert not marker.exists()


@pytest.mark.parametrize("prefix", [["collections"], None])
def test_prefixes_are_strings(prefix: Any) -> None:
    with (
        pytest.raises(TypeError, match="prefixes are strings, given one by one"),
        restrict(prefix),
    ):
        pass


def test_a_scope_leads_the_search_for_sources_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "private.py").write_text("class Secret: ...\n")
    scope = f"{__name__.partition('.')[0]}.{tmp_path}"
    with DefaultScope.overwrite_default_scope(scope), pytest.raises(UnknownNameError) as caught:
        NETS.build({"type": "Secret"})
    assert "private" not in str(caught.value)


def test_what_bears_the_name_of_another_is_refused() -> None:
    def lie() -> None: ...

    lie.__module__, lie.__qualname__ = "collections", "Counter"
    with restrict("collections"), pytest.raises(RefusedNameError):
        NETS.build({"type": lie})
