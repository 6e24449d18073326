"""What the small helpers give is what MMEngine's give, and an error where those have one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine_runner import testing, utils

from .cases import CALLS, FILE, TORCH_CALLS, of_torch, of_utils, result

RECORDED: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
# Where ours is another, and why.
CLEARER: dict[str, str] = {
    # an assertion without a word
    "is_seq_of([1], int, 'x')": "raises TypeError",
    "slice_list([1, 2, 3], 2)": "raises ValueError",
    "is_method_overridden('f', Base(), Derived)": "raises TypeError",
    "renamed(old=1, new=2)": "raises TypeError",
    "bar(10, -1)": "raises ValueError",
    "bar(10, 0)": "raises ValueError",
    "track_progress(double, (1, 2, 3), file=quiet)": "raises TypeError",
    "images(pixels[:, :1])": "raises ValueError",
    "images(pixels[:, :2])": "raises ValueError",
    "images(pixels[0])": "raises TypeError",
    "images(pixels.numpy())": "raises TypeError",
    "images(pixels, (1,), (2,))": "raises ValueError",
    # whatever came of it
    "slice_list([1, 2], 0)": "raises ValueError",
    "get_object_from_string(5)": "raises ValueError",
    "has_batch_norm(5)": "raises TypeError",
    "assert_params_all_zeros(nn.ReLU())": "raises TypeError",
    "assert_params_all_zeros(nn.Sequential(zeros))": "raises TypeError",
    "assert_allclose(None, None)": "raises TypeError",
    "check_python_script('')": "raises ValueError",
    "check_python_script(['x'])": "raises ValueError",
    # without pkg_resources, which is gone from setuptools
    "get_installed_path('nope')": "raises PackageNotFoundError",
    # the first of the names that PyYAML brings is not the one to import
    "last(get_installed_path('PyYAML'))": "'yaml'",
}


@pytest.fixture(scope="module")
def names() -> dict[str, dict[str, Any]]:
    return {"utils": of_utils(utils), "torch": of_torch(utils, testing)}


@pytest.mark.parametrize("call", [*CALLS, *TORCH_CALLS])
def test_as_recorded(names: dict[str, dict[str, Any]], call: str) -> None:
    found = result(call, names["utils" if call in CALLS else "torch"])
    if call in CLEARER:
        assert found == CLEARER[call] != RECORDED[call]
    else:
        assert found == RECORDED[call]


def test_each_exception_is_a_call() -> None:
    assert set(CLEARER) <= set(RECORDED) == {*CALLS, *TORCH_CALLS}
