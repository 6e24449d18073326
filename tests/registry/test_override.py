"""Blocks that override a context variable."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from engine_registry import DefaultScope, RefusedNameError, Registry, guard, restrict
from engine_registry.override import Override

level: ContextVar[int] = ContextVar("level", default=0)
TOOLS: Registry[object] = Registry("tool", scope="test")


def deeper() -> Override[None]:
    return Override(level, lambda outer: outer + 1)


def test_blocks_nest_and_end_as_they_began() -> None:
    block = deeper()
    with block:
        assert level.get() == 1
        with block, deeper():
            assert level.get() == 3
        assert level.get() == 1
    assert level.get() == 0


def test_an_error_ends_the_block_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), deeper():
        raise ZeroDivisionError
    assert level.get() == 0


def test_without_a_change_what_is_set_inside_stays() -> None:
    token = level.set(0)
    with Override(level):
        level.set(5)
    assert level.get() == 5
    level.reset(token)


def test_what_a_block_is_given_is_made_inside_it() -> None:
    with deeper().giving(level.get) as given:
        assert given == 1


def test_where_that_fails_the_value_is_set_back() -> None:
    def fail() -> None:
        assert level.get() == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), deeper().giving(fail):
        pytest.fail("the block was entered")
    assert level.get() == 0


def test_functions_may_be_decorated() -> None:
    @deeper()
    def down(steps: int) -> int:
        """Go down."""
        return down(steps - 1) if steps else level.get()

    assert down.__doc__ == "Go down."
    assert down(0) == 1
    assert down(2) == 3
    assert level.get() == 0


def test_other_threads_and_tasks_do_not_see_it() -> None:
    seen: list[int] = []
    with deeper():
        thread = threading.Thread(target=lambda: seen.append(level.get()))
        thread.start()
        thread.join()
    assert seen == [0]

    async def work(block: Override[None]) -> int:
        with block:
            await asyncio.sleep(0)
            return level.get()

    async def both() -> list[int]:
        return list(await asyncio.gather(work(deeper()), work(Override(level))))

    assert asyncio.run(both()) == [1, 0]


def test_a_block_narrows_where_it_begins_not_where_it_was_made() -> None:
    made_outside = restrict("shutil", "collections.Counter")
    with restrict("collections"), made_outside:
        assert TOOLS.get("collections.Counter") is not None
        with pytest.raises(RefusedNameError):
            TOOLS.get("shutil.which")
    with made_outside:
        assert TOOLS.get("shutil.which") is not None


def test_the_public_blocks_decorate_functions() -> None:
    @restrict()
    def look_up() -> object:
        return TOOLS.get("os.getcwd")

    @DefaultScope.overwrite_default_scope("kid")
    def current() -> str | None:
        scope = DefaultScope.get_current_instance()
        return None if scope is None else scope.scope_name

    with pytest.raises(RefusedNameError):
        look_up()
    assert current() == "kid"
    assert DefaultScope.get_current_instance() is None


def test_a_scope_that_is_not_overwritten_may_be_set_inside() -> None:
    with DefaultScope.overwrite_default_scope(None), guard({}):
        DefaultScope.get_instance("set-inside", scope_name="kid")
    scope = DefaultScope.get_current_instance()
    assert scope is not None
    assert scope.scope_name == "kid"
