"""What pickles of plain values name, and what stands for it."""

from __future__ import annotations

import pathlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from engine_config.fileio.pickles.machine import Refused
from engine_config.fileio.pickles.thawing import marked
from engine_config.values.config_dict import ConfigDict

__all__ = ["CALLED", "CONFIGS", "NAMED", "encode"]


def encode(text: object, encoding: object = "latin1") -> bytes:
    """``_codecs.encode`` of the texts that protocol 2 makes of bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("an encoding that is not latin1")
    return text.encode("latin1")


def _no_bytes(*args: object) -> bytes:
    """``bytes()``: what empty bytes are, in old protocols."""
    if args:
        raise Refused("bytes made of something")
    return b""


def _default_dict(*args: object) -> defaultdict[Any, Any]:
    """``collections.defaultdict`` of a type that may be named."""
    if len(args) > 1 or (args and args[0] is not None and args[0] not in NAMED.values()):
        raise Refused("a defaultdict of what is no type of plain values")
    return defaultdict(*args)


def _path(*parts: object) -> pathlib.PurePath:
    if not all(isinstance(part, str) for part in parts):
        raise Refused("a path of what are no texts")
    return pathlib.Path(*map(str, parts))


def _range(*args: object) -> range:
    if not all(type(arg) is int for arg in args):
        raise Refused("a range of what are no numbers")
    return range(*args)  # type: ignore[call-overload,no-any-return]  # checked above


class MakesConfigDict:
    """A ``ConfigDict``, made by a call or, by old versions, by ``__new__``."""

    def __new__(cls, *args: object) -> Any:
        """Make an ordered dict that becomes one."""
        made = marked(ConfigDict)
        for values in args:
            if not isinstance(values, dict):
                raise Refused("a ConfigDict of what is no dict")
            made.update(values)
        return made


def _restore(kind: object, values: object, mark: object = None) -> Any:
    """Make a ``ConfigDict`` as its own pickles do; one that tells where it came from is refused."""
    if kind is not MakesConfigDict or mark is not None:
        raise Refused("a ConfigDict of what is no dict")
    return MakesConfigDict(values)


#: types that may be named, by Python 2's names too; most of them may not be called
NAMED: dict[str, type] = {
    **{
        f"builtins.{kind.__name__}": kind
        for kind in (bool, int, float, str, list, tuple, dict, set, frozenset)
    },
    "builtins.long": int,
    "builtins.unicode": str,
}

#: name → what is called in its place
CALLED: dict[str, Callable[..., Any]] = {
    "_codecs.encode": encode,
    "builtins.bytearray": bytearray,
    "builtins.bytes": _no_bytes,
    "builtins.complex": complex,
    "builtins.frozenset": frozenset,
    "builtins.range": _range,
    "builtins.set": set,
    "builtins.slice": slice,
    "builtins.xrange": _range,
    "collections.Counter": Counter,
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": _default_dict,
    **{f"pathlib.{kind}": _path for kind in ("PosixPath", "PurePosixPath", "WindowsPath")},
    "pathlib._local.PosixPath": _path,
    "pathlib._local.WindowsPath": _path,
}

#: the dicts of configurations, which become `ConfigDict`
CONFIGS: dict[str, Callable[..., Any]] = {
    "engine_config.values.config_dict._restore": _restore,
    "engine_config.values.config_dict.ConfigDict": MakesConfigDict,
    "mmengine.config.config.ConfigDict": MakesConfigDict,
    "mmengine.config.ConfigDict": MakesConfigDict,
    "mmcv.utils.config.ConfigDict": MakesConfigDict,
    "addict.addict.Dict": MakesConfigDict,
}
