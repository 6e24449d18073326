"""Pickles by their ending: read as data, whatever they say."""

from __future__ import annotations

import os
import pathlib
import pickle
import struct
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import pytest

from engine_config import ConfigDict
from engine_config.fileio import (
    PickleHandler,
    UnsafePickleError,
    file_handlers,
    load,
    register_handler,
)

PROTOCOLS = list(range(pickle.HIGHEST_PROTOCOL + 1))


def pickled(folder: Path, value: Any, protocol: int | None = None) -> Path:
    path = folder / "v.pkl"
    path.write_bytes(value if type(value) is bytes else pickle.dumps(value, protocol))
    return path


# ------------------------------------------------------------------------------ plain values

VALUES: dict[str, Any] = {
    "numbers": [0, -1, 255, 65536, 2**31, -(2**63), 2**3000, 1.5, float("inf"), 1 + 2j],
    "truths": (None, True, False),
    "texts": ["", "ä", "\n\\u0041'\"", "x" * 300, "\ud800", "\x00\u2028"],
    "bytes": [b"", b"\xff\x00'", bytes(300), bytearray(b"ab"), bytearray()],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, (4,))],
    "sets": [{1, 2}, set(), frozenset({1, frozenset({2})}), frozenset()],
    "dicts": [{}, {"a": {1: 2}}, {(1, "b"): 0, 1.5: 1, None: 2, frozenset({3}): 4}],
    "ordered": OrderedDict([("b", 1), ("a", [2])]),
    "counted": Counter("aab"),
    "defaults": [defaultdict(list, a=[1]), defaultdict(None, b=2), defaultdict(int)],
    "ranges": [range(3), range(1, 9, 2), slice(1), slice(None, 2, -1)],
    "paths": [pathlib.Path("/a/b"), pathlib.PurePosixPath("c")],
    "types": [int, list, dict, str],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", VALUES)
def test_plain_values(tmp_path: Path, kind: str, protocol: int) -> None:
    value = VALUES[kind]
    found = load(pickled(tmp_path, value, protocol))
    assert repr(found) == repr(value).replace("PurePosixPath", "PosixPath")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_shared_stays_shared(tmp_path: Path, protocol: int) -> None:
    shared = [1]
    value: dict[str, Any] = {"a": shared, "b": shared}
    value["self"] = value
    found = load(pickled(tmp_path, value, protocol))
    assert found["a"] is found["b"]
    assert found["self"] is found


def test_a_config_dict(tmp_path: Path) -> None:
    found = load(pickled(tmp_path, {"cfg": ConfigDict(a={"b": 1})}, 2))["cfg"]
    assert type(found) is ConfigDict
    assert found.a.b == 1


# {'name': 'caf\xe9', 'n': [1, 2L], u'\u2713': None} by Python 2.7
PYTHON_2 = {
    0: b"(dp0\nS'name'\np1\nS'caf\\xe9'\np2\nsS'n'\np3\n(lp4\nI1\naL2L\nasV\\u2713\np5\nNs.",
    1: b"}q\x00(U\x04nameq\x01U\x04caf\xe9q\x02U\x01nq\x03]q\x04(K\x01L2L\neX\x03\x00\x00\x00"
    b"\xe2\x9c\x93q\x05Nu.",
    2: b"\x80\x02}q\x00(U\x04nameq\x01U\x04caf\xe9q\x02U\x01nq\x03]q\x04(K\x01\x8a\x01\x02eX\x03"
    b"\x00\x00\x00\xe2\x9c\x93q\x05Nu.",
}


@pytest.mark.parametrize("protocol", PYTHON_2)
def test_pickles_of_python_2(tmp_path: Path, protocol: int) -> None:
    path = pickled(tmp_path, PYTHON_2[protocol])
    for encoding in ("latin1", "bytes", "utf-8"):
        options: dict[str, Any] = {"encoding": encoding, "errors": "replace"}
        assert load(path, **options) == load(path, "pkl", **options)
    with pytest.raises(pickle.UnpicklingError, match="UnicodeDecodeError"):
        load(path)


# -------------------------------------------------------------------------- arrays and tensors


def arrays() -> list[Any]:
    np = pytest.importorskip("numpy")
    return [
        np.float32(1.5), np.bool_(True), np.str_("word"), np.datetime64("2024-02-03", "D"),
        np.zeros((0, 3), np.float16), np.arange(24).reshape(2, 3, 4)[:, ::2].T,
        np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(24).reshape(2, 3, 4).swapaxes(0, 1),
        np.array([1 + 2j]), np.array([1, "two", None], dtype=object), np.array(["a", "bc"]),
        np.arange(3, dtype=">i4"), np.array(7), np.dtype("f4"),
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays(tmp_path: Path, protocol: int) -> None:
    np = pytest.importorskip("numpy")
    values = arrays()
    found = load(pickled(tmp_path, {"values": values, np.int64(3): 1}, protocol))
    assert found[3] == 1
    for value, again in zip(values, found["values"], strict=True):
        assert type(again) is type(value)
        assert isinstance(value, np.dtype) or again.dtype == value.dtype
        assert np.array_equal(again, value)


def test_arrays_that_are_refused(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    with pytest.raises(pickle.UnpicklingError, match="not what numpy or MMEngine writes"):
        load(pickled(tmp_path, np.zeros(2, dtype=[("a", "i4")])))
    with pytest.raises(UnsafePickleError, match="a class as a value"):
        load(pickled(tmp_path, {"kind": np.ndarray}))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors(tmp_path: Path, protocol: int) -> None:
    torch = pytest.importorskip("torch")
    kinds = [torch.float64, torch.bfloat16, torch.int8, torch.bool, torch.complex64]
    values = [
        *(torch.ones(2, 3).to(kind) for kind in kinds), torch.arange(24.0).view(2, 3, 4)[:, 1:].mT,
        torch.zeros(0, 2), torch.tensor(3), torch.ones(2, dtype=torch.float8_e4m3fn),
        torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.ones(2)),
        torch.nn.Parameter(torch.arange(2), requires_grad=False), torch.ones(1).expand(5),
        torch.zeros(2, dtype=torch.uint16),
    ]  # fmt: skip
    value = {"t": values, "rest": (torch.Size([1, 2]), torch.float32, torch.device("cpu"))}
    found = load(pickled(tmp_path, value, protocol))
    assert found["rest"] == value["rest"]
    assert type(found["rest"][0]) is torch.Size
    for tensor, again in zip(values, found["t"], strict=True):
        assert (type(again), again.dtype, again.requires_grad, again.stride()) == (
            type(tensor), tensor.dtype, tensor.requires_grad, tensor.stride(),
        )  # fmt: skip
        assert again.shape == tensor.shape
        assert again.tolist() == tensor.tolist()


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
def test_tensors_that_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsafePickleError, match=r"torch\._utils\._rebuild_sparse_tensor"):
        load(pickled(tmp_path, torch.eye(2).to_sparse()))
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    with pytest.raises(UnsafePickleError, match=r"torch\._utils\._rebuild_qtensor"):
        load(pickled(tmp_path, quantized))
    with pytest.raises(UnsafePickleError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load(pickled(tmp_path, torch.nn.Linear(1, 1)))


#: what is changed in the pickle, by protocol 4, of a tensor of 77 elements, and what is said of it
CHANGED: dict[str, tuple[bytes, bytes, str]] = {
    "its size": (b"KM\x85", b"KN\x85", "a tensor of shape"),
    "its offset": (b"R\x94K\x00KM", b"R\x94K\x01KM", "a tensor of shape"),
    "the storage's claim": (b"cpuq\x03KM", b"cpuq\x03KN", "size is said twice"),
    "the storage's size": (struct.pack("<q", 77), struct.pack("<q", 78), "size is said twice"),
    "the first number": (b"\x8a\nl\xfc", b"\x8a\nm\xfc", "in a form that is not known"),
    "the storage's type": (b"FloatStorage", b"EvilStorages", "what is no storage"),
    "the storages that follow": (b"\x80\x02]q\x00X", b"\x80\x02].\x00X", "bytes are not in the file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGED)
def test_tensors_that_claim_too_much(tmp_path: Path, kind: str) -> None:
    torch = pytest.importorskip("torch")
    data = pickle.dumps(torch.arange(77.0), 4)
    assert torch.equal(load(pickled(tmp_path, data)), torch.arange(77.0))
    old, new, why = CHANGED[kind]
    assert old in data
    with pytest.raises((UnsafePickleError, pickle.UnpicklingError), match=why):
        load(pickled(tmp_path, data.replace(old, new)))


# ------------------------------------------------------------------- what needs the word

PROGRAM = """\
import sys
if sys.argv[2]:
    for name in sys.argv[2].split(","):
        sys.modules[name] = None
from engine_config.fileio import load
try:
    load(sys.argv[1])
except ImportError as error:
    print(f"ImportError: {error}")
print(*({"numpy", "torch"} & {name for name, module in sys.modules.items() if module}))
"""


def imported(path: Path, blocked: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), blocked], capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout.splitlines()


def test_nothing_is_imported_that_is_not_needed(tmp_path: Path) -> None:
    assert imported(pickled(tmp_path, VALUES, 4), "numpy,torch") == [""]
    np = pytest.importorskip("numpy")
    path = pickled(tmp_path, np.ones(3))
    assert imported(path, "torch") == ["numpy"]
    assert imported(path, "numpy")[0].startswith("ImportError: ")


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("the pickle ran",))


class Sly:
    """Gets its state by a method of its own."""

    def __setstate__(self, state: object) -> None:
        pytest.fail("the pickle ran")

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}


HOSTILE: dict[str, tuple[Any, str]] = {
    "a call": (Trap(), r"_pytest\.outcomes\.(Exit|fail|_Fail)|_pytest\.outcomes"),
    "a class": ({"kind": Sly}, r"test_pickles\.Sly"),
    "a state": (Sly(), r"test_pickles\.Sly"),
    "a built-in": (b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", r"builtins\.eval"),
    "a type that may only be named": (
        b"\x80\x02c__builtin__\nlist\n]\x85R.", "a call of list, which may not be called"),
    "an old object": (b"(X\x04\x00\x00\x00trueios\nsystem\n.", r"os\.system"),
    "a method of what is there": (b"\x80\x04cbuiltins\nstr.format\n)R.", r"str\.format"),
    "something outside": (b"\x80\x02X\x01\x00\x00\x001Q.", "what lies outside of it"),
    "a number in the registry": (b"\x80\x02\x82\x01.", "the instruction"),
    "codes for a terminal": (b"\x80\x02c\x1b[31mevil\nname\n.", r"\\x1b\[31mevil\.name"),
    "bytes by number": (b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
                        "bytes that are not in the file"),
    "bytes by another code": (
        b"\x80\x02c__builtin__\nbytearray\nX\x01\x00\x00\x00aX\x08\x00\x00\x00punycode\x86R.",
        "bytes that are not in the file"),
    "a default that is called": (b"\x80\x02ccollections\ndefaultdict\nccollections\nCounter\n\x85R.",
                                 "a defaultdict of what is no type"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["pkl", "pickle"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_asks_for_more(tmp_path: Path, kind: str, ending: str) -> None:
    value, why = HOSTILE[kind]
    path = pickled(tmp_path, value).rename(tmp_path / f"v.{ending}")
    with pytest.raises(UnsafePickleError, match=why) as caught:
        load(path)
    said = str(caught.value)
    assert said.startswith(f"{path} is a pickle that ")
    assert 'say file_format="pkl"' in said
    assert said.isprintable()


def test_the_word_runs_it(tmp_path: Path) -> None:
    path = pickled(tmp_path, b"\x80\x02cos\nmkdir\nX\x01\x00\x00\x00d\x85R.")
    with pytest.raises(UnsafePickleError) as caught:
        load(path)
    assert caught.value.globals == ("os.mkdir",)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert load(path, "pkl") is None
    finally:
        os.chdir(before)
    assert (tmp_path / "d").is_dir()


def test_a_handler_of_the_users(tmp_path: Path) -> None:
    path = pickled(tmp_path, slice(1))
    try:

        @register_handler("pkl")
        class Own(PickleHandler):
            def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
                return "own"

        assert load(path) == "own"
    finally:
        file_handlers["pkl"] = PickleHandler()
    assert load(path) == slice(1)


# ----------------------------------------------------------------------- bytes that lie


@pytest.mark.parametrize("array", [False, True])
def test_many_keys_of_any_kind(tmp_path: Path, array: bool) -> None:
    keys = [(i, str(i)) for i in range(20_000)]
    value: dict[str, Any] = {
        "tuples": dict.fromkeys(keys), "floats": {i / 7 for i in range(20_000)},
        "large": frozenset(2**70 + i for i in range(20_000)), "again": [{1.5: 0}] * 20_000,
    }  # fmt: skip
    if array:
        np = pytest.importorskip("numpy")
        value["scalars"] = {np.float64(i / 7): (np.int32(i), i) for i in range(20_000)}
    assert load(pickled(tmp_path, value)) == value


def test_records_as_keys_that_collide(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    # of real and imaginary part, the hash is a sum: h(re) + 1000003 * h(im)
    keys = [np.complex128(complex(-1000003.0 * i, i)) for i in range(3_000)]
    assert len({hash(key) for key in keys}) == 1
    value = {"a": [(key, 1) for key in keys]}
    data = pickle.dumps(value, 4)
    assert len(load(pickled(tmp_path, data))["a"]) == 3_000
    with pytest.raises(UnsafePickleError, match="too many keys that are alike"):
        load(pickled(tmp_path, {(key, 1): 0 for key in keys}))


def doubled(levels: int, code: bytes) -> bytes:
    """What holds what holds … twice the same: a visit of all costs 2**levels."""
    return b"K\x01\x85" + b"".join(b"\x94h" + bytes([i]) + code for i in range(levels))


HEAVY: dict[str, tuple[bytes, str]] = {
    "a key of tuples": (b"\x80\x04}" + doubled(60, b"\x86") + b"K\x01s.", "too large to be looked"),
    "a key of frozen sets": (
        b"\x80\x04}" + b"K\x01\x85" + b"".join(
            b"\x94(h" + bytes([i]) + b"h" + bytes([i]) + b"K\x01\x86\x91" for i in range(60)
        ) + b"K\x01s.",
        "too large to be looked",
    ),
    "colliding keys": (
        b"\x80\x02}(" + b"".join(
            b"\x8a\x0c" + ((2**61 - 1) * (i + 2)).to_bytes(12, "little") + b"N"
            for i in range(30_000)
        ) + b"u.",
        "too many keys that are alike",
    ),
    "a set again and again": (
        b"\x80\x02(c__builtin__\nset\nq\x00]q\x01("
        + b"".join(b"J" + struct.pack("<i", i) for i in range(20_000)) + b"e"
        + b"h\x00h\x01\x85R" * 20_000 + b"t.",
        "the same values too often",
    ),
    "a name too long": (b"\x80\x02c" + b"a." * 5_000 + b"\nb\n.", "a name of 10001 letters"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEAVY)
def test_structures_that_would_take_for_ever(tmp_path: Path, kind: str) -> None:
    data, why = HEAVY[kind]
    with pytest.raises(UnsafePickleError, match=why):
        load(pickled(tmp_path, data))


@pytest.mark.parametrize(
    "data", [b"\x80\x02X\xff\xff\xff\x7fabc.", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa."]
)
def test_lengths_beyond_the_end(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="a length beyond the end"):
        load(pickled(tmp_path, data))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_cut_and_some_flips(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps(VALUES, protocol)
    for length in range(0, len(data), 7):
        with pytest.raises(
            pickle.UnpicklingError, match=r"v\.pkl is no pickle, or cut off or damaged"
        ):
            load(pickled(tmp_path, data[:length]))
    for place in range(0, len(data), 5):
        flipped = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        try:
            load(pickled(tmp_path, flipped))
        except (UnsafePickleError, pickle.UnpicklingError):
            continue
