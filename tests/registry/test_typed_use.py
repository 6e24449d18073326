"""What a type checker makes of registries of modules: `hatch run types` reads this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from engine_registry import Registry, build_as

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import assert_type
else:
    nn = pytest.importorskip("torch").nn

    def assert_type(value: object, kind: object) -> object:
        """Return the value; the checker compares the types."""
        return value


NETS: Registry[nn.Module] = Registry("net", scope="test")


@NETS.register_module()
class Double(nn.Linear):
    def __init__(self, width: int) -> None:
        super().__init__(width, 2 * width)


@NETS.register_module(name="double")
def make_double(width: int = 1) -> Double:
    return Double(width)


def test_what_is_built_has_a_type() -> None:
    net = assert_type(NETS.build({"type": "Double", "width": 3}), nn.Module)
    assert isinstance(net, Double)
    value: Any = {"type": "Double", "width": 2}
    linear = assert_type(build_as(NETS, value, nn.Linear), nn.Linear)
    assert linear.out_features == 4
    assert_type(build_as(NETS, "double", nn.Module), nn.Module)


def test_what_is_registered_keeps_its_type() -> None:
    assert assert_type(Double(3), Double).in_features == 3
    assert assert_type(make_double(4), Double).in_features == 4
    same = assert_type(NETS.register_module(module=Double), type[Double])
    assert same is Double
    found = assert_type(NETS.get("Double"), Callable[..., nn.Module] | None)
    assert found is Double
