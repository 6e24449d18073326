"""A pickle read as data: plain values, arrays and tensors, and nothing else."""

from __future__ import annotations

import io
import pickle
from typing import Any

from engine_config.fileio.pickles.arrays import ARRAYS
from engine_config.fileio.pickles.bounds import BoundedMachine, Names
from engine_config.fileio.pickles.machine import Refused
from engine_config.fileio.pickles.tensors import TENSORS
from engine_config.fileio.pickles.thawing import Frozen, Thawing
from engine_config.fileio.pickles.values import CALLED, CONFIGS, NAMED

__all__ = ["UnsafePickleError", "read_pickle"]

_RECORDS = {**ARRAYS, **TENSORS, **CONFIGS}
_ALLOWED = {**NAMED, **CALLED, **_RECORDS}
_CALLABLE = frozenset(
    id(value) for value in (*CALLED.values(), *_RECORDS.values()) if not isinstance(value, Frozen)
)
_MOST_NAMES = 20


class UnsafePickleError(ValueError):
    """A pickle asks for more than plain values, arrays and tensors; nothing of it was run.

    Attributes
    ----------
    globals : tuple of str
        What it names beyond them, as dotted names.
    """

    def __init__(self, file: str, names: tuple[str, ...], reason: str) -> None:
        super().__init__(file, names, reason)
        self._file, self.globals, self._reason = file, names, reason

    def __str__(self) -> str:
        named = ", ".join(name[:200] for name in self.globals[:_MOST_NAMES])
        more = len(self.globals) - _MOST_NAMES
        told = f"asks for {named}{f' and {more} more' if more > 0 else ''}"
        said = told if self.globals else f"holds {self._reason}"
        return (
            f"{self._file} is a pickle that {_printable(said)}; plain values, arrays and tensors "
            "are read, and nothing was run. If you trust it as you would trust a program, say "
            'file_format="pkl"'
        )


def read_pickle(
    content: bytes, name: str, *, encoding: str = "ASCII", errors: str = "strict"
) -> Any:
    """Return the value of a pickle of any origin.

    Parameters
    ----------
    content
        Its bytes.
    name
        Of the file, for errors.
    encoding, errors
        Of Python 2's texts, as for `pickle.load`.

    Raises
    ------
    UnsafePickleError
        It asks for more than plain values, numpy's arrays and torch's tensors, or for more work
        than an honest file of its size.
    pickle.UnpicklingError
        It is no pickle, or damaged.
    ImportError
        It holds arrays or tensors, and numpy or torch is not installed.
    """
    names = Names(_ALLOWED, _CALLABLE, frozenset(_RECORDS))
    try:
        return _value(BoundedMachine(io.BytesIO(content), len(content), names, encoding, errors))
    except Refused as error:
        raise UnsafePickleError(name, tuple(names.unknown), str(error)) from error
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # bytes of any origin can raise anything
        if names.unknown:
            raise UnsafePickleError(name, tuple(names.unknown), "") from error
        said = _printable(f"{type(error).__name__}: {error}"[:200])
        raise pickle.UnpicklingError(
            f"{name} is no pickle, or cut off or damaged ({said})"
        ) from error


def _value(machine: BoundedMachine) -> Any:
    loaded = machine.load()
    if machine.names.unknown:
        raise Refused("names that are not known")
    return Thawing()(loaded) if machine.names.thaw else loaded


def _printable(text: str) -> str:
    """Return a text that comes from a file without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
