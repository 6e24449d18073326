"""Checkpoints in any storage, published, and where one cannot be written."""

from __future__ import annotations

import hashlib
import io
import logging
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from engine_config.fileio import BaseStorageBackend, backends, prefix_to_backends, register_backend
from engine_dist.checkpoint import UnwritableError, load_checkpoint_file, verify_checkpoint
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.hooks import CheckpointHook, Hook, RunnerLike
from engine_runner.hooks.meters import Counting
from tests.runner.hooks.test_checkpoint import files, trained
from tests.runner.hooks.test_param_scheduler import Recorded
from tests.runner.hooks.test_stopped import log_of
from tests.runner.toys import run_cfg


class Store(BaseStorageBackend):
    """Six methods on a dictionary: what a storage of anyone's is."""

    held: dict[str, bytes] = {}  # noqa: RUF012  # a new one for each test
    refuses: set[str] = set()  # noqa: RUF012  # operations that fail

    def __init__(self, token: str = "") -> None:
        self.token = token

    def _do(self, what: str) -> None:
        if what in self.refuses:
            raise RuntimeError(f"the store refuses to {what}")

    def get(self, filepath: Any) -> bytes:
        return self.held[str(filepath)]

    def put(self, obj: Any, filepath: Any) -> None:
        self._do("put")
        self.held[str(filepath)] = bytes(obj)

    def exists(self, filepath: Any) -> bool:
        return str(filepath) in self.held or self.isdir(filepath)

    def isdir(self, filepath: Any) -> bool:
        return any(name.startswith(f"{filepath}/") for name in self.held)

    def scan(self, dir_path: Any) -> Iterator[tuple[str, bool]]:
        raise NotImplementedError

    def remove(self, filepath: Any) -> None:
        self._do("remove")
        del self.held[str(filepath)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> type[Store]:
    monkeypatch.setattr(Store, "held", {})
    monkeypatch.setattr(Store, "refuses", set())
    for table in (backends, prefix_to_backends):
        for name in list(table):
            monkeypatch.setitem(table, name, table[name])
    register_backend("store", Store, prefixes="store", force=True)
    return Store


def stored(folder: str = "store://bucket/run") -> list[str]:
    names = [name.removeprefix(f"{folder}/") for name in Store.held]
    return sorted(name for name in names if not name.startswith("."))


KEEP = {"interval": 1, "max_keep_ckpts": 2, "save_best": "error", "rule": "less"}
NUMBERS = [3.0, 1.0, 2.0, 0.5]


def test_a_storage_keeps_as_a_folder_does(store: type[Store], tmp_path: Path) -> None:
    hook = {**KEEP, "out_dir": "store://bucket"}
    trained(tmp_path / "run", hook, val_evaluator=Recorded(NUMBERS), train_cfg={"max_epochs": 3})
    assert stored() == ["best_error_epoch_2.pth", "epoch_2.pth", "epoch_3.pth"]
    store.held["store://bucket/run/epoch_9.pth"] = b"a user's"
    # the limit and the best hold after a resume, which finds its checkpoint there
    later = Recorded([2.0, 1.5, 0.9])
    runner = trained(
        tmp_path / "run", hook, val_evaluator=later, train_cfg={"max_epochs": 5}, resume=True
    )
    assert runner.iter == 15
    assert stored() == ["best_error_epoch_5.pth", "epoch_4.pth", "epoch_5.pth", "epoch_9.pth"]
    assert runner.message_hub.get_info("best_ckpt") == "store://bucket/run/best_error_epoch_5.pth"
    assert (tmp_path / "run/last_checkpoint").read_text() == "store://bucket/run/epoch_5.pth"
    # of what was removed nothing is left, not even a note
    assert len(store.held) == 4 + 3


def test_what_another_wrote_in_a_storage_stays(store: type[Store], tmp_path: Path) -> None:
    hook = {**KEEP, "max_keep_ckpts": 1, "out_dir": "store://bucket"}
    trained(tmp_path / "run", hook, train_cfg={"max_epochs": 1})
    for name in list(store.held):
        if name.endswith(".by"):
            del store.held[name]
    trained(tmp_path / "run", hook, resume=True, train_cfg={"max_epochs": 3})
    assert {"epoch_1.pth", "epoch_3.pth"} <= set(stored())


def test_what_cannot_be_removed_is_told_and_stays(store: type[Store], tmp_path: Path) -> None:
    store.refuses.add("remove")
    hook = {"interval": 2, "max_keep_ckpts": 1, "out_dir": "store://bucket"}
    runner = trained(tmp_path / "run", hook, log_level="WARNING")
    assert stored() == ["epoch_2.pth", "epoch_4.pth"]
    assert (
        "store://bucket/run/epoch_2.pth is no longer needed, but stays: the store refuses to remove"
    ) in log_of(runner)


@pytest.mark.parametrize("name", ["backend_args", "file_client_args"])
def test_arguments_of_the_storage(store: type[Store], tmp_path: Path, name: str) -> None:
    hook = {"interval": 4, "out_dir": "bucket", name: {"backend": "store", "token": "t"}}
    trained(tmp_path / "run", hook)
    assert stored("bucket/run") == ["epoch_4.pth"]


@pytest.mark.parametrize("backend", ["local", "disk"])
def test_a_local_folder_by_the_name_of_its_backend(tmp_path: Path, backend: str) -> None:
    hook = {**KEEP, "out_dir": str(tmp_path / "out"), "file_client_args": {"backend": backend}}
    trained(tmp_path / "run", hook, val_evaluator=Recorded(NUMBERS))
    assert files(tmp_path / "out/run") == [
        "best_error_epoch_4.pth", "epoch_3.pth", "epoch_4.pth",
    ]  # fmt: skip


# ------------------------------------------------------------------- published


def test_what_is_published_is_named_by_what_it_holds(store: type[Store], tmp_path: Path) -> None:
    hook = {**KEEP, "interval": 2, "published_keys": ["state_dict", "meta"]}
    runners = [
        trained(tmp_path / "run", hook, val_evaluator=Recorded(NUMBERS)),
        trained(
            tmp_path / "far",
            {**hook, "out_dir": "store://bucket"},
            val_evaluator=Recorded(NUMBERS),
        ),
    ]
    near = [name for name in files(tmp_path / "run") if "-" in name]
    far = [name for name in stored("store://bucket/far") if "-" in name]
    assert [name.rpartition("-")[0] for name in near] == ["best_error_epoch_4", "epoch_4"]
    assert [name.rpartition("-")[0] for name in far] == ["best_error_epoch_4", "epoch_4"]
    held = {name: (tmp_path / "run" / name).read_bytes() for name in near}
    held |= {name: store.held[f"store://bucket/far/{name}"] for name in far}
    for name, content in held.items():
        assert hashlib.sha256(content).hexdigest()[:8] == name.rpartition("-")[2][:8]
    for name in near:
        verify_checkpoint(tmp_path / "run" / name)
        state = load_checkpoint_file(tmp_path / "run" / name)
        assert sorted(state) == ["meta", "state_dict"]
        weights = runners[0].model.state_dict()
        assert torch.equal(state["state_dict"]["linear.weight"], weights["linear.weight"])
    # what a run goes on from is as it was, and nothing that was made on the way is left
    assert (tmp_path / "run/last_checkpoint").read_text().endswith("/epoch_4.pth")
    assert not list((tmp_path / "run").glob(".publishing*"))


@pytest.mark.parametrize("keys", [["state_dikt"], ["state_dikt", "meta"]])
def test_a_key_that_no_checkpoint_has(tmp_path: Path, keys: list[str]) -> None:
    runner = trained(tmp_path, {"published_keys": keys}, log_level="WARNING")
    assert (
        f"published_keys names 'state_dikt', which is not in {tmp_path}/epoch_4.pth; did you mean "
        "'state_dict'?"
    ) in log_of(runner)
    assert len(files(tmp_path)) == len(keys)


# ----------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("hook", "error", "said"),
    [
        ({"save_begin": -1}, ValueError, "save_begin must be 0 or more, got -1"),
        ({"backend_args": {}, "file_client_args": {}}, ValueError, "two names of one thing"),
        ({"published_keys": 3}, TypeError, "a key of a checkpoint or several, got 3"),
        ({"published_keys": [3]}, TypeError, r"got \[3\]"),
        ({"on_error": "ignore"}, ValueError, "'raise' or 'warn', got 'ignore'"),
        ({"save_best": ["loss", "loss"]}, ValueError, "names a metric twice"),
        ({"save_best": 3}, TypeError, "the name of a metric or a list of them, got 3"),
        ({"save_best": [3]}, TypeError, "names a metric, got 3"),
        ({"interval": 2.5}, ValueError, "the n of an interval is a whole number .of epoch., got 2.5"),
        ({"interval": "soon"}, TypeError, "the n of an interval is a number .of epoch., got 'soon'"),
        ({"interval": {"unit": "seconds"}}, ValueError, "a dict of n and unit"),
        ({"interval": {"n": 3, "unit": "hours"}}, ValueError, "a unit is one of iteration, .*'hours'"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(
    hook: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        CheckpointHook(**hook)


def test_more_arguments_are_the_runners(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 4, "meta": {"mine": 1}})
    assert load_checkpoint_file(tmp_path / "epoch_4.pth")["meta"]["mine"] == 1
    with pytest.raises(
        TypeError, match=r"does not take it: .*'max_keep_ckpt'; is a parameter mis"
    ):
        trained(tmp_path / "b", {"max_keep_ckpt": 3})


def test_rules_of_ones_own(tmp_path: Path) -> None:
    class Nearest(CheckpointHook):
        rule_map: ClassVar = {
            **CheckpointHook.rule_map,
            "near": lambda new, old: abs(new - 2) < abs(old - 2),
        }
        init_value_map: ClassVar = {**CheckpointHook.init_value_map, "near": float("inf")}

    hook: Any = Nearest(save_best="error", rule="near", save_last=False)  # type: ignore[arg-type]  # the class has it
    cfg = run_cfg(tmp_path, val_evaluator=Recorded(NUMBERS), default_hooks={"checkpoint": hook})
    Runner(**cfg).train()
    assert files(tmp_path) == ["best_error_epoch_3.pth"]
    with pytest.raises(ValueError, match="rule must be 'greater' or 'less' or 'near', got 'far'"):
        Nearest(save_best="error", rule="far")  # type: ignore[arg-type]  # what a user may write


def test_a_metric_that_is_not_measured_each_time(tmp_path: Path) -> None:
    numbers: Any = [None, 1.0, None, None]
    hook = {"save_best": "error", "rule": "less", "save_last": False}
    trained(tmp_path, hook, val_evaluator=Recorded(numbers))
    assert files(tmp_path) == ["best_error_epoch_2.pth"]


# --------------------------------------------------- what cannot be written


class FillDisk(Hook):
    """Lets no file grow beyond some bytes from an epoch on and until another, as a full disk does."""

    def __init__(self, begin: int, end: int = 99) -> None:
        self.begin, self.end = begin, end
        _, self.most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def before_train_epoch(self, runner: RunnerLike) -> None:
        full = self.begin <= runner.epoch + 1 < self.end
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000 if full else self.most, self.most))


def train_on_a_full_disk(folder: str, on_error: str, end: int) -> tuple[str, str]:
    signal.signal(
        signal.SIGXFSZ, signal.SIG_IGN
    )  # a file that may not grow is an error, no signal
    hook = {**KEEP, "max_keep_ckpts": 1, "on_error": on_error}
    disk = FillDisk(3, end)
    changes = {
        "val_evaluator": Recorded(NUMBERS), "custom_hooks": [disk], "log_level": "WARNING",
    }  # fmt: skip
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("engine.runner").addHandler(handler)
    try:
        trained(Path(folder), hook, **changes)
    except Exception as error:
        return said.getvalue(), f"{type(error).__name__}: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk.most, disk.most))
        logging.getLogger("engine.runner").removeHandler(handler)
    return said.getvalue(), ""


@pytest.fixture(scope="module")
def alone() -> Iterator[ProcessPool]:
    """One process, whose limits are its own."""
    with ProcessPool(1) as pool:
        yield pool


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
@pytest.mark.parametrize(
    ("on_error", "end", "left"),
    [
        ("raise", 99, ["best_error_epoch_2.pth", "epoch_2.pth"]),
        ("warn", 99, ["best_error_epoch_2.pth", "epoch_2.pth"]),
        ("warn", 4, ["best_error_epoch_4.pth", "epoch_4.pth"]),
    ],
)
def test_a_full_disk(
    alone: ProcessPool, tmp_path: Path, on_error: str, end: int, left: list[str]
) -> None:
    ((logged, raised),) = alone.run(train_on_a_full_disk, str(tmp_path), on_error, end, init=False)
    reason = f"the checkpoint {tmp_path}/epoch_3.pth cannot be written: File too large"
    if on_error == "raise":
        assert raised == f"UnwritableError: {reason}"
    else:
        assert not raised
        assert f"{reason}; training goes on (on_error='warn')" in logged
    # what was there before is whole, and is what a run goes on from
    assert files(tmp_path) == left
    for name in left:
        verify_checkpoint(tmp_path / name)
    newest = Path((tmp_path / "last_checkpoint").read_text())
    assert newest.name == left[-1]
    runner = trained(tmp_path, {**KEEP, "max_keep_ckpts": 1}, resume=True)
    assert (runner.epoch, len(files(tmp_path))) == (4, 2)


def test_a_storage_that_refuses(store: type[Store], tmp_path: Path) -> None:
    store.refuses.add("put")
    hook = {"interval": 2, "out_dir": "store://bucket", "on_error": "warn"}
    runner = trained(tmp_path / "run", hook, log_level="WARNING")
    assert stored() == []
    assert (
        log_of(runner).count("cannot be written: the store refuses to put; training goes on") == 3
    )
    with pytest.raises(
        UnwritableError, match=r"store://bucket/run/epoch_2\.pth cannot be written: the st"
    ):
        trained(tmp_path / "b/run", {**hook, "on_error": "raise"})


# ------------------------------------------------------------- what it costs between


@pytest.mark.parametrize(
    ("hook", "asked"),
    [
        ({"interval": 5, "by_epoch": False, "save_last": False}, [5, 10]),
        ({"interval": 5, "by_epoch": False}, [5, 10, 12]),
        ({"interval": {"n": 18, "unit": "samples"}}, [5, 9, 12]),
        ({"interval": 1}, []),
        ({"interval": -1, "by_epoch": False}, [12]),
    ],
)
def test_between_two_intervals_it_is_not_even_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: dict[str, Any], asked: list[int]
) -> None:
    seen: list[int] = []
    reached = Counting.reached

    def noting(self: Counting, done: int) -> bool:
        seen.append(done)
        return reached(self, done)

    monkeypatch.setattr(Counting, "reached", noting)
    trained(tmp_path, hook)
    assert seen == asked
