"""What a test asks of values. All but `assert_allclose` and `check_python_script` tell, and raise not."""

from __future__ import annotations

import runpy
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from engine_runner.utils.tensors import is_norm

__all__ = [
    "assert_allclose",
    "assert_attrs_equal",
    "assert_dict_contains_subset",
    "assert_dict_has_keys",
    "assert_is_norm_layer",
    "assert_keys_equal",
    "assert_params_all_zeros",
    "check_python_script",
]

_MISSING = object()
_RTOL, _ATOL = 1e-4, 1e-5  # MMEngine's, of whatever type


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str | None = "",
) -> None:
    """Raise where two tensors, arrays or numbers are not close; their types may differ.

    Parameters
    ----------
    actual, expected : Tensor, array or number
        What is compared; of one shape.
    rtol, atol : float, optional
        How far they may be apart, relative to what is expected, and beside that: 1e-4 and 1e-5 by
        default; both or neither.
    equal_nan : bool
        Whether two NaN are equal.
    msg : str, optional
        What the error says; empty for which values differ, and how far.

    Raises
    ------
    AssertionError
        If they are not close.

    Examples
    --------
    >>> assert_allclose(torch.tensor([1.0, 2.0]), [1, 2])
    """
    if rtol is None and atol is None:
        rtol, atol = _RTOL, _ATOL
    torch.testing.assert_close(
        _tensor(actual, "actual"),
        _tensor(expected, "expected"),
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        check_stride=False,
        msg=msg or None,
    )


def _tensor(value: Any, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is no tensor, array or number: {value!r}") from error


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and one.device == other.device
            and torch.equal(one, other)
        )
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)


def assert_attrs_equal(obj: object, expected_attrs: Mapping[str, Any]) -> bool:
    """Whether an object has attributes of these values."""
    return all(
        _equal(getattr(obj, name, _MISSING), value) for name, value in expected_attrs.items()
    )


def assert_dict_contains_subset(
    dict_obj: Mapping[Any, Any], expected_subset: Mapping[Any, Any]
) -> bool:
    """Whether a dict has these keys with these values."""
    return all(
        _equal(dict_obj.get(key, _MISSING), value) for key, value in expected_subset.items()
    )


def assert_dict_has_keys(obj: Mapping[Any, Any], expected_keys: Iterable[Any]) -> bool:
    """Whether a dict has these keys."""
    return set(expected_keys) <= set(obj)


def assert_keys_equal(result_keys: Iterable[Any], target_keys: Iterable[Any]) -> bool:
    """Whether keys are the same, in whatever order."""
    return set(result_keys) == set(target_keys)


def assert_is_norm_layer(module: Any) -> bool:
    """Whether a layer is a normalisation."""
    return is_norm(module)


def assert_params_all_zeros(module: nn.Module) -> bool:
    """Whether a layer's weight, and its bias if it has one, are all zero.

    Raises
    ------
    TypeError
        If it has no weight.
    """
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        raise TypeError(f"{type(module).__name__} has no weight; ask it of a layer that has")
    bias = getattr(module, "bias", None)
    return not weight.any() and (bias is None or not bias.any())


def check_python_script(cmd: str) -> None:
    """Run a script in this process, as from a command line.

    Parameters
    ----------
    cmd : str
        The script and its arguments; ``python`` before it is left out.

    Raises
    ------
    SystemExit
        If the script ends with it; and whatever else it raises.
    """
    words = shlex.split(cmd) if isinstance(cmd, str) else []
    if words[:1] == ["python"]:
        words = words[1:]
    if not words:
        raise ValueError(f"cmd must be a script and its arguments, got {cmd!r}")
    with patch.object(sys, "argv", words):
        runpy.run_path(words[0], run_name="__main__")
