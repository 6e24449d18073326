"""Hostile checkpoints: pickles and archives that want something run, or are not what they say.

Each takes a path that it creates if anything of it is run, and returns the file's bytes.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(module: str, name: str, *arguments: str) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(map(text, arguments)) + b"tR"


def stack_call(module: str, name: str, *arguments: str) -> bytes:
    return text(module) + text(name) + b"\x93(" + b"".join(map(text, arguments)) + b"tR"


def pickles(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield names, and pickles without their protocol."""
    yield from calls(mark)
    yield from hidden(mark)
    yield from by_libraries(mark)
    yield from by_loaders(mark)


def calls(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield calls of what runs something, in every way that a pickle can say it."""
    touch, make = f"touch {mark}", f"__import__('os').mkdir({mark!r})"
    system = call("posix", "system", touch)
    yield "os.system", system + b"."
    yield "os.system by its own name", call("os", "system", touch) + b"."
    yield "stack global", stack_call("os", "system", touch) + b"."
    yield "python 2's eval", call("__builtin__", "eval", make) + b"."
    yield "eval", call("builtins", "eval", make) + b"."
    yield "exec", call("builtins", "exec", make) + b"."
    yield "open", call("builtins", "open", mark, "w") + b"."
    yield "io.open", call("io", "open", mark, "w") + b"."
    yield "pathlib", call("pathlib", "Path.touch", mark) + b"."
    yield "os.open by posix", b"cposix\nopen\n(" + text(mark) + b"K\x41tR."
    yield "mkdir", call("os", "mkdir", mark) + b"."
    yield "subprocess", b"csubprocess\ncall\n((" + text("touch") + text(mark) + b"ltR."
    yield "popen", call("os", "popen", touch) + b"."
    yield "runpy", call("runpy", "run_path", mark) + b"."
    yield "inst", b"(" + text(touch) + b"iposix\nsystem\n."
    yield "obj", b"(cposix\nsystem\n" + text(touch) + b"o."
    yield "newobj", b"cposix\nsystem\n(" + text(touch) + b"t\x81."
    yield (
        "newobj with keywords",
        b"csubprocess\nPopen\n)}" + text("args") + text(touch) + b"s\x92.",
    )


def hidden(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield calls inside of other things, and names that are reached by a way round."""
    touch = f"touch {mark}"
    system = call("posix", "system", touch)
    yield "nested in a state", b"}" + text("state_dict") + b"}" + text("a") + system + b"ss."
    yield "nested in a tuple in a list", b"](" + b"K\x01" + system + b"\x86" + b"e."
    yield "as a key", b"}" + system + b"K\x01s."
    yield "run, then dropped", system + b"0}" + text("state_dict") + b"}s."
    yield (
        "memo: the function under another's place",
        (b"cposix\nsystem\nq\x000ccollections\nOrderedDict\nq\x010h\x00(" + text(touch) + b"tR."),
    )
    yield (
        "memo: a name put together",
        (
            text("posix")
            + b"\x940"
            + text("system")
            + b"\x940h\x00h\x01\x93("
            + text(touch)
            + b"tR."
        ),
    )
    yield "memo: a place that is not there", b"j\xff\xff\xff\x7f."
    yield "getattr to reach further", (
        b"cbuiltins\ngetattr\n(cos\npath\n" + text("os") + b"tR."
    )  # fmt: skip
    yield (
        "getattr of a safe type",
        (b"cbuiltins\ngetattr\n(ccollections\nOrderedDict\n" + text("__init__") + b"tR."),
    )
    yield "getattr of a record's inside", (
        b"cbuiltins\ngetattr\n(cmmengine.logging.history_buffer\nHistoryBuffer\n"
        + text("__class__") + b"tR."
    )  # fmt: skip
    yield "attribute chain", call("collections", "OrderedDict.__init__.__globals__") + b"."
    yield "attribute chain through torch", call("torch", "os.system", touch) + b"."
    yield "attribute chain by numpy", call("numpy", "f2py.os.system", touch) + b"."


def by_libraries(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield what the standard library and numpy would do for a pickle."""
    touch, make = f"touch {mark}", f"__import__('os').mkdir({mark!r})"
    yield "methodcaller", call("operator", "methodcaller", "system", touch) + b"."
    yield "import", call("builtins", "__import__", "os") + b"."
    yield "partial", b"cfunctools\npartial\n(cposix\nsystem\n" + text(touch) + b"tR)R."
    yield "map", b"cbuiltins\nmap\n(cposix\nsystem\n(" + text(touch) + b"ltR."
    yield "numpy's runstring", call("numpy.testing._private.utils", "runstring", make, "{}") + b"."
    yield "numpy's load", call("numpy", "load", mark) + b"."
    yield "numpy's memmap", call("numpy", "memmap", mark, "uint8", "w+") + b"."
    yield (
        "numpy's exec_command",
        call("numpy.distutils.exec_command", "exec_command", touch) + b".",
    )
    yield "numpy: pointers as objects", (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01(K\x01tcnumpy\ndtype\n(" + text("O8") + b"I00\nI01\ntR(K\x03" + text("|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb\x89C\x08AAAAAAAAtb."
    )  # fmt: skip
    yield "numpy: more than the bytes hold", (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01(J\xff\xff\xff\x7ftcnumpy\ndtype\n(" + text("f8") + b"I00\nI01\ntR(K\x03"
        + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89C\x08AAAAAAAAtb."
    )  # fmt: skip
    yield "numpy: a structured type", call("numpy", "dtype", "O,O") + b"."
    yield "numpy: a scalar of pointers", (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(" + text("O8")
        + b"I00\nI01\ntRC\x08AAAAAAAAtR."
    )  # fmt: skip


def by_loaders(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield pickles that would have others loaded, and names of no use but to harm."""
    touch, make = f"touch {mark}", f"__import__('os').mkdir({mark!r})"
    system = call("posix", "system", touch)
    yield "torch.load inside", call("torch", "load", mark) + b"."
    yield "torch.hub", call("torch.hub", "load", mark, "x") + b"."
    yield "torch's loader of bytes", (
        b"ctorch.storage\n_load_from_bytes\n(B"
        + struct.pack("<I", len(system) + 1) + system + b".tR."
    )  # fmt: skip
    yield "pickle.loads", b"c_pickle\nloads\n(C" + bytes([len(system) + 1]) + system + b".tR."
    yield "setstate of a function", b"cposix\nsystem\n}" + text("x") + b"K\x01sb."
    yield "a config with a call in it", (
        b"cmmengine.config.config\nConfigDict\n(" + system + b"tR."
    )  # fmt: skip
    yield (
        "a default that is called",
        (b"ccollections\ndefaultdict\n(cposix\nsystem\ntR" + text("x") + b"K\x01s."),
    )
    yield "a subclass by type()", b"cbuiltins\ntype\n(" + text("A") + b"(t}tR."
    yield "breakpoint", call("builtins", "breakpoint") + b"."
    yield "an extension by number", b"\x82\x01."
    yield "code", call("types", "CodeType", make) + b"."
    yield "marshal", call("marshal", "loads", make) + b"."
    yield "ctypes", call("ctypes", "CDLL", mark) + b"."
    yield "socket", call("socket", "create_connection", mark) + b"."


def archive(data: bytes, **more: bytes) -> bytes:
    """Return a zip file as torch writes it, around a pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in {
            "archive/data.pkl": data,
            "archive/byteorder": b"little",
            "archive/version": b"3\n",
            **more,
        }.items():
            file.writestr(name, content)
    return stream.getvalue()


def old_format(data: bytes) -> bytes:
    """Return the file of before torch 1.6, around a pickle."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    return b"".join(pickle.dumps(part, 2) for part in head) + data + pickle.dumps([], 2)


@cache
def good() -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": OrderedDict(weight=torch.arange(64.0))}, stream)
    return stream.getvalue()


def _renamed(stored: bytes, extra: str) -> bytes:
    stream = io.BytesIO(stored)
    with zipfile.ZipFile(stream, "a") as file:
        file.writestr(extra, b"content")
    return stream.getvalue()


@cache
def _packed() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good())) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@cache
def _bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", bytes(2**24), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _truthful_crc_of_other_bytes() -> bytes:
    data = bytearray(good())
    place = data.index(struct.pack("<f", 63.0))
    data[place] ^= 1
    return bytes(data)


def archives(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield archives that torch did not write, and files that are no checkpoint."""
    whole = good()
    yield "zip-slip", _renamed(whole, "archive/../../evil")
    yield "zip-slip by an absolute name", _renamed(whole, mark)
    yield "zip-slip by a backslash", _renamed(whole, "archive\\..\\evil")
    yield "a second folder", _renamed(whole, "other/data.pkl")
    yield "packed records", _packed()
    yield "a bomb", _bomb()
    yield "a bit of a tensor", _truthful_crc_of_other_bytes()
    yield "without its pickle", archive(b"").replace(b"data.pkl", b"date.pkl")
    yield "a directory that lies", whole.replace(b"PK\x01\x02", b"PK\x01\x03")
    yield "no end", whole[:-22]
    yield "nothing", b""
    yield "zeros", bytes(4096)
    yield "a tensor outside of its storage", archive(_outside(), **{"archive/data/0": bytes(16)})
    yield "a storage of another length", archive(_outside(2**40), **{"archive/data/0": b"1234"})
    yield "text", b"just some words\n"
    yield "compressed", zlib.compress(whole)


def _outside(count: int = 4) -> bytes:
    """Return a pickle of a tensor of more values than its storage has."""
    storage = (
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
        + pickle.dumps(count, 2)[2:-1] + b"tQ"
    )  # fmt: skip
    return (
        b"\x80\x02}" + text("weight") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
        + b"K\x00(J\x00\x00\x10\x00t(K\x01t\x89ccollections\nOrderedDict\n)RtRs."
    )  # fmt: skip


Frame = Callable[[bytes], bytes]
FRAMES: dict[str, Frame] = {
    "zip": lambda data: archive(b"\x80\x02" + data),
    "old": lambda data: old_format(b"\x80\x02" + data),
    "bare": lambda data: b"\x80\x04" + data,
}


def hostile(mark: str) -> Iterator[tuple[str, bytes]]:
    """Yield the whole corpus by name."""
    for name, data in pickles(mark):
        for frame, around in FRAMES.items():
            yield f"{name} ({frame})", around(data)
    yield from archives(mark)


def names() -> list[Any]:
    return [name for name, _ in hostile("x")]
