"""Classes with named instances."""

from __future__ import annotations

from typing import Any

import pytest

from engine_registry import ManagerMixin, Registry


class Board(ManagerMixin):
    def __init__(self, name: str = "", size: int = 1) -> None:
        super().__init__(name)
        self.size = size


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Board._instance_dict.clear()


def test_one_instance_a_name() -> None:
    first = Board.get_instance("a", size=2)
    assert Board.get_instance("a") is first
    assert first.instance_name == "a"
    assert Board.check_instance_created("a")
    assert not Board.check_instance_created("b")


def test_the_current_one_is_the_one_made_last() -> None:
    with pytest.raises(RuntimeError, match=r"call Board.get_instance"):
        Board.get_current_instance()
    Board.get_instance("a")
    last = Board.get_instance("b")
    Board.get_instance("a")
    assert Board.get_current_instance() is last


def test_a_name_that_is_free_again() -> None:
    first, other = Board.get_instance("a"), Board.get_instance("b")
    first.forget_instance()
    again = Board.get_instance("a")
    assert again is not first
    first.forget_instance()  # the name is another's by now
    assert Board.get_instance("a") is again
    assert Board.instance_names() == [other.instance_name, "a"]


def test_arguments_without_effect_warn() -> None:
    Board.get_instance("a")
    with pytest.warns(UserWarning, match="size have no effect"):
        Board.get_instance("a", size=3)


def test_each_class_has_its_own() -> None:
    class Side(Board):
        pass

    Board.get_instance("a")
    assert not Side.check_instance_created("a")


@pytest.mark.parametrize("name", ["", 3])
def test_names_are_strings_with_something_in_them(name: Any) -> None:
    with pytest.raises(ValueError, match="non-empty string"):
        Board(name)


def test_get_instance_wants_a_string() -> None:
    with pytest.raises(TypeError, match="name must be a str, got int"):
        Board.get_instance(3)  # type: ignore[arg-type]  # the mistake that is tested


def test_the_constructor_must_take_a_name() -> None:
    with pytest.raises(TypeError, match="no parameter 'name'"):

        class Nameless(ManagerMixin):
            def __init__(self, *args: Any, **kwargs: Any) -> None: ...


def test_a_registry_asks_for_the_instance() -> None:
    boards: Registry[Board] = Registry("board", scope="test")
    boards.register_module(module=Board)
    made = boards.build({"type": "Board", "name": "a", "size": 5})
    assert boards.build({"type": "Board", "name": "a"}) is made
    assert made.size == 5
