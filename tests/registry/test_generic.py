"""A registry takes a type parameter, though ``typing`` is not imported for it."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Generic, TypeVar, get_args, get_origin

import pytest

from engine_registry import Registry

T = TypeVar("T")
K = TypeVar("K")


class Plain(Registry[T]):
    pass


class Fixed(Registry[int]):
    pass


class Typed(Registry[T], Generic[T]):
    pass


class TypedFirst(Generic[T], Registry[T]):
    pass


class TwoFold(Registry[T], Generic[T, K]):
    def __init__(self, name: str, key: K) -> None:
        super().__init__(name)
        self.key = key


@pytest.mark.parametrize("kind", [Registry, Plain, Typed, TypedFirst])
def test_subscripted_it_makes_a_registry(kind: Any) -> None:
    alias = kind[int]
    assert (get_origin(alias), get_args(alias)) == (kind, (int,))
    made = alias("number")
    assert type(made) is kind
    assert isinstance(made, Registry)
    assert made.scope == "tests"


def test_a_subclass_needs_no_parameter() -> None:
    fixed = Fixed("number")
    fixed.register_module(name="three", module=lambda: 3)
    assert fixed.build({"type": "three"}) == 3
    assert fixed.scope == "tests"


def test_a_subclass_may_have_more_parameters() -> None:
    made = TwoFold[int, str]("number", "key")
    assert (made.key, type(made)) == ("key", TwoFold)


def test_its_parameter_may_be_given_later_or_be_one_of_several() -> None:
    assert Registry[T][int] == Registry[int]  # type: ignore[valid-type]  # at run time
    assert Registry[int] | None == (None | Registry[int])


@pytest.mark.parametrize("kind", [Registry[int], Plain[int], Typed[int]])
def test_such_registries_are_copied_and_pickled(kind: Any) -> None:
    registry = kind("number")
    registry.register_module(module=int)
    for other in (pickle.loads(pickle.dumps(registry)), copy.deepcopy(registry)):
        assert type(other) is type(registry)
        assert other.get("int") is int
