"""Building from configs, and one door for objects, classes, configs and names."""

from __future__ import annotations

import abc
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigDict
from engine_registry import (
    Registry,
    UnknownNameError,
    build_as,
    build_from_cfg,
    build_model_from_cfg,
    build_runner_from_cfg,
    build_scheduler_from_cfg,
)

NETS: Registry[Any] = Registry("net", scope="test")


@NETS.register_module()
class Net:
    def __init__(self, depth: int = 1, inner: Any = None) -> None:
        self.depth = depth
        self.inner = NETS.build(inner) if isinstance(inner, dict) else inner
        if depth < 0:
            raise ZeroDivisionError("no such depth")


@NETS.register_module()
class Deep(Net):
    pass


class Other(Net):
    pass


@NETS.register_module()
def double(x: int = 1) -> int:
    return 2 * x


def make_net() -> Net:
    return Net()


@pytest.mark.parametrize(
    "cfg",
    [
        {"type": "Net", "depth": 3},
        ConfigDict(type="Net", depth=3),
        Config({"type": "Net", "depth": 3}),
        {"type": Net, "depth": 3},
    ],
    ids=["dict", "ConfigDict", "Config", "class"],
)
def test_from(cfg: Any) -> None:
    before = repr(cfg)
    net = NETS.build(cfg)
    assert type(net) is Net
    assert net.depth == 3
    assert repr(cfg) == before
    assert build_from_cfg(cfg, NETS).depth == 3


def test_function() -> None:
    assert NETS.build({"type": "double", "x": 4}) == 8
    assert NETS.build({"type": double, "x": 4}) == 8


def test_defaults_give_way() -> None:
    defaults = {"type": "Net", "depth": 7, "inner": 1}
    net = NETS.build({"depth": 2}, default_args=defaults)
    assert (net.depth, net.inner) == (2, 1)
    assert build_from_cfg(ConfigDict(depth=2), NETS, defaults).inner == 1


@pytest.mark.parametrize(
    ("cfg", "defaults", "kind", "message"),
    [
        (3, None, TypeError, "cfg should be a dict, ConfigDict or Config, got int"),
        ({"type": "Net"}, 3, TypeError, "default_args should be a dict or None, got int"),
        ({"depth": 3}, None, KeyError, "needs the key 'type'"),
        ({"type": 3}, None, TypeError, "type must be a name, a class or a function, got int"),
        ({"type": Net()}, None, TypeError, "got Net"),
        ({"type": "Nut"}, None, UnknownNameError, "nearest names: 'Net'"),
    ],
)
def test_what_is_no_config(cfg: Any, defaults: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        build_from_cfg(cfg, NETS, defaults)


def test_what_is_no_registry() -> None:
    for cfg in ({"type": "Net"}, ConfigDict(type="Net")):
        with pytest.raises(TypeError, match="registry must be a Registry, got int"):
            build_from_cfg(cfg, 3)  # type: ignore[arg-type]  # the mistake that is tested


def test_a_constructors_error_keeps_its_type_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("model = dict(\n    type='Net',\n    inner=dict(type='Deep', depth=-1))\n")
    cfg = Config.fromfile(file)
    with pytest.raises(ZeroDivisionError) as caught:
        NETS.build(cfg.model)
    assert str(caught.value) == "no such depth"
    first, second = caught.value.__notes__
    assert first == f"while building 'Deep' of registry 'net' (model.inner, {file}:3)"
    assert second == f"while building 'Net' of registry 'net' (model, {file}:1)"
    assert "__init__" in traceback.format_tb(caught.value.__traceback__)[-1]


def test_a_note_is_kept_and_said_where_python_does_not_print_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        NETS.build({"type": "Net", "depth": -1})
    note = "while building 'Net' of registry 'net'"
    assert caught.value.__notes__ == [note]
    assert caplog.text.count(f"ZeroDivisionError {note}") == (sys.version_info < (3, 11))


def test_an_unknown_name_says_where(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("model = dict(\n    type='Nut')\n")
    cfg = Config.fromfile(file)
    with pytest.raises(UnknownNameError, match=f"{file}:2"):
        NETS.build(cfg.model)


class Sequence(list[Any]):
    def __init__(self, *items: Any) -> None:
        super().__init__(items)


def test_a_list_of_models_is_a_sequence() -> None:
    models: Registry[Any] = Registry("m", build_func=build_model_from_cfg, parent=NETS, scope="m")
    models.register_module(name="Sequential", module=Sequence)
    built = models.build([{"type": "Net"}, {"type": "Deep", "depth": 3}])
    assert isinstance(built, Sequence)
    assert [type(net) for net in built] == [Net, Deep]
    assert models.build({"type": "Net"}).depth == 1


def test_a_list_of_models_is_torchs_where_none_is_registered() -> None:
    torch = pytest.importorskip("torch")
    models: Registry[Any] = Registry("m", build_func=build_model_from_cfg, scope="test")
    linear = {"type": "torch.nn.Linear", "in_features": 2, "out_features": 3}
    built = models.build([linear, {"type": torch.nn.ReLU}])
    assert isinstance(built, torch.nn.Sequential)
    assert [type(layer) for layer in built] == [torch.nn.Linear, torch.nn.ReLU]


class Runner:
    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg

    @classmethod
    def from_cfg(cls, cfg: Any) -> Runner:
        if "broken" in cfg:
            raise ZeroDivisionError("no run")
        return cls(cfg)


def test_runner() -> None:
    runners: Registry[Any] = Registry("r", build_func=build_runner_from_cfg, scope="test")
    runners.register_module(module=Runner)
    runners.register_module(name="Other", module=type("Other", (Runner,), {}))
    cfg = ConfigDict(depth=3)
    assert runners.build(cfg).cfg is cfg
    assert type(runners.build({"runner_type": "Other"})).__name__ == "Other"
    with pytest.raises(ZeroDivisionError, match="no run") as caught:
        runners.build({"broken": True})
    assert caught.value.__notes__ == ["while building 'Runner' of registry 'r'"]
    with pytest.raises(UnknownNameError, match="'Nobody'"):
        runners.build({"runner_type": "Nobody"})
    with pytest.raises(TypeError, match="cfg should be a dict"):
        runners.build(3)


class Step:
    def __init__(self, **given: Any) -> None:
        self.given = given

    @classmethod
    def build_iter_from_epoch(cls, **given: Any) -> Step:
        if given.get("end") == 0:
            raise ZeroDivisionError("no end")
        return cls(converted=True, **given)


def test_scheduler() -> None:
    steps: Registry[Any] = Registry("s", build_func=build_scheduler_from_cfg, scope="test")
    steps.register_module(module=Step)
    cfg = {"type": "Step", "end": 3, "convert_to_iter_based": True}
    defaults = {"optimizer": 1, "epoch_length": 10}
    given = steps.build(cfg, default_args=defaults).given
    assert given == {"converted": True, "end": 3, "optimizer": 1, "epoch_length": 10}
    cfg["convert_to_iter_based"] = False
    assert steps.build(cfg, default_args=defaults).given == {"end": 3, "optimizer": 1}
    assert "convert_to_iter_based" in cfg
    with pytest.raises(KeyError, match="needs the key 'type'"):
        steps.build({"end": 3, "convert_to_iter_based": True, **defaults})
    with pytest.raises(ZeroDivisionError) as caught:
        steps.build({**defaults, "type": "Step", "end": 0, "convert_to_iter_based": True})
    assert caught.value.__notes__ == ["while building 'Step' of registry 's'"]


@pytest.mark.parametrize("more", [{}, {"epoch_length": 3, "by_epoch": False}])
def test_scheduler_that_cannot_be_converted(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="by_epoch=True and needs epoch_length"):
        build_scheduler_from_cfg({"type": Step, "convert_to_iter_based": True, **more}, NETS)


def test_build_as_takes() -> None:
    net = Net()
    assert build_as(NETS, net, Net) is net
    assert type(build_as(NETS, Deep, Net)) is Deep
    assert type(build_as(NETS, "Deep", Net)) is Deep
    assert type(build_as(NETS, f"{__name__}.Other", Net)) is Other
    assert build_as(NETS, {"type": "Deep", "depth": 3}, Net, depth=4, inner=5).depth == 3
    assert build_as(NETS, Config({"type": "Deep"}), Net, inner=5).inner == 5


class Abstract(abc.ABC):
    @abc.abstractmethod
    def run(self) -> None: ...


def test_build_as_takes_an_abstract_class() -> None:
    class Concrete(Abstract):
        def run(self) -> None: ...

    built: Abstract = build_as(NETS, Concrete, Abstract)
    assert isinstance(built, Concrete)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (3, "got 3"),
        (None, "got None"),
        (int, "got the class int"),
        ([{"type": "Net"}], "got \\[{'type': 'Net'}\\]"),
        ({"type": "double", "x": 1}, "got int from {'type': 'double', 'x': 1}"),
        ("collections.OrderedDict", "got 'collections.OrderedDict'"),
        (f"{__name__}.double", "got int from "),
        (f"{__name__}.make_net", "got '.*make_net'"),
    ],
)
def test_build_as_refuses_with_one_shape(value: Any, got: str) -> None:
    shape = "expected Net: an instance, a subclass, a config with 'type' or a name of registry "
    with pytest.raises(TypeError, match=f"{shape}'net'; {got}"):
        build_as(NETS, value, Net)


def test_defaults_may_be_a_config() -> None:
    things: Registry[Any] = Registry("thing_with_defaults")

    @things.register_module()
    class Thing:
        def __init__(self, a: int, b: Any) -> None:
            self.a, self.b = a, b

    defaults: Any = Config({"a": 5, "b": {"c": [1]}})
    made: Any = things.build({"type": "Thing", "a": 1}, default_args=defaults)
    assert (made.a, made.b) == (1, {"c": [1]})
    with pytest.raises(TypeError, match="default_args should be a dict or None, got list"):
        things.build({"type": "Thing"}, default_args=[1])
