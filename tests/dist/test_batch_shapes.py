"""The first iteration at which two ranks' batches have other shapes is found."""

from __future__ import annotations

import json

import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_dist.batch_shapes import BatchShapes, Course, first_difference


def seen(sizes: list[int]) -> Course:
    shapes = BatchShapes()
    for iteration, size in enumerate(sizes, start=1):
        shapes.see(iteration, {"inputs": torch.zeros(size, 2), "names": ["a"] * 3})
    # as it comes out of the store
    last, changes = json.loads(json.dumps(shapes.course()))
    return Course(last, changes)


SIZES = st.lists(st.integers(1, 3), max_size=25)


@given(SIZES, SIZES)
def test_it_is_what_a_look_at_each_iteration_finds(one: list[int], other: list[int]) -> None:
    pairs = list(zip(one, other, strict=False))
    first = next((i for i, (a, b) in enumerate(pairs, start=1) if a != b), None)
    expected = None
    if first is not None:
        a, b = pairs[first - 1]
        expected = first, "inputs", f"[{a}, 2]", f"[{b}, 2]"
    assert first_difference(seen(one), seen(other)) == expected


def test_what_was_forgotten_is_not_compared() -> None:
    # of both the last changes are known, of one of them later ones than of the other
    one = seen([1, 2] * 30)
    other = seen([3] * 10 + [1, 2] * 25)
    assert first_difference(one, other) is None
    assert first_difference(one, seen([3] * 40 + [1, 2] * 10)) == (
        29,
        "inputs",
        "[1, 2]",
        "[3, 2]",
    )


def test_what_of_a_batch_is_compared() -> None:
    shapes = BatchShapes()
    shapes.see(7, [torch.zeros(2, 1), {"a": torch.zeros(4)}, [1, 2, 3], "text", 5])
    assert shapes.course() == (7, [(7, {"0": "[2, 1]", "1.a": "[4]", "2": "3 samples"})])
    shapes.see(8, torch.zeros(3))
    assert shapes.course() == (8, [*shapes.course().changes[:1], (8, {})])
