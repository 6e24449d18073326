"""What is given to backends is with them in the end, in order, however slow they are."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine_config import Config
from engine_runner.process.preempted import STOPPED
from engine_runner.visualization import BaseVisBackend, LocalVisBackend, Visualizer
from engine_runner.visualization.backends.png import as_png
from engine_runner.visualization.guarded import GuardedBackend
from engine_runner.visualization.writer import Writer
from tests.runner.cli.commands import CONFIG, here


class Records(BaseVisBackend):
    """Keeps what it is given; fails, or waits, where it is told to."""

    def __init__(self, save_dir: str = "") -> None:
        super().__init__(save_dir)
        self.given: list[Any] = []
        self.threads: set[str] = set()
        self.failures: list[Exception] = []
        self.go = threading.Event()
        self.go.set()
        self.closed = 0

    @property
    def experiment(self) -> Any:
        return self

    def _take(self, *given: Any) -> None:
        self.go.wait()
        self.threads.add(threading.current_thread().name)
        if self.failures:
            raise self.failures.pop(0)
        self.given.append(given)

    def add_config(self, config: Config, **kwargs: Any) -> None:
        self._take("config")

    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        self._take(name, value, step)

    def add_scalars(
        self, scalar_dict: Any, step: int = 0, file_path: str | None = None, **kwargs: Any
    ) -> None:
        self._take(scalar_dict, step, file_path)

    def add_image(self, name: str, image: Any, step: int = 0, **kwargs: Any) -> None:
        self._take(name, image, step)

    def close(self) -> None:
        self.closed += 1


def test_in_order_on_one_thread() -> None:
    records = Records()
    told = Visualizer("in-order", vis_backends=[records])
    told.add_config(Config({}))
    assert records.given == [("config",)]  # waited for
    for step in range(300):
        told.add_scalar("loss", 0.5, step)
    told.add_scalars({"a": 1}, 7, "b.json", other=3)
    told.flush()
    assert records.given[1:301] == [("loss", 0.5, step) for step in range(300)]
    assert records.given[301:] == [({"a": 1}, 7, "b.json")]
    assert records.threads == {"engine-writer"}
    told.close()
    told.close()
    assert records.closed == 2


def test_what_was_given_may_change_afterwards() -> None:
    records = Records()
    told = Visualizer("copies", vis_backends=[records])
    records.go.clear()
    image, loss, listed = np.ones((2, 2, 3), np.uint8), torch.tensor([1.0]), [1]
    told.add_image("a", image)
    told.add_scalars({"loss": loss, "listed": listed})
    told.add_scalar("loss", loss)
    image[:] = 0
    loss.zero_()
    listed.append(2)
    records.go.set()
    told.flush()
    (_, picture, _), (scalars, _, _), (_, value, _) = records.given
    assert picture.min() == 1
    assert (scalars["loss"].item(), scalars["listed"], value.item()) == (1, [1], 1)
    told.close()


def test_a_full_queue_waits_and_drops_nothing() -> None:
    done: list[int] = []
    go, most = threading.Semaphore(0), []

    def work(piece: int) -> None:
        go.acquire()
        done.append(piece)

    writer: Writer[int] = Writer(work, pieces=3)
    given = threading.Thread(target=lambda: deque(map(writer.put, range(20))))
    given.start()
    for _ in range(20):
        given.join(0.01)
        most.append(writer.waiting)
        go.release()
    given.join()
    assert writer.flush()
    assert done == list(range(20))
    assert max(most) <= 4  # the one that is worked on, and three


def test_large_pieces_fill_it_too() -> None:
    go = threading.Event()
    writer: Writer[int] = Writer(lambda piece: go.wait(), most=100)
    given = threading.Thread(target=lambda: deque(map(writer.put, range(4), [60] * 4)))
    given.start()
    given.join(0.05)
    assert writer.waiting <= 2
    go.set()
    given.join()
    assert writer.flush()
    writer.put(9, 1000)  # larger than all of it
    assert writer.flush()


def test_work_that_would_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    def work(piece: int) -> None:
        if piece == 1:
            sys.exit()
        done.append(piece)

    writer: Writer[int] = Writer(work)
    for piece in range(3):
        writer.put(piece)
    assert writer.flush()
    assert done == [0, 2]
    assert "what was to be written is lost" in caplog.text


def test_an_end_without_progress_is_given_up() -> None:
    go = threading.Event()
    writer: Writer[int] = Writer(lambda piece: go.wait())
    writer.put(1)
    assert not writer.flush(patience=0.01)
    go.set()
    assert writer.flush(patience=10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_is_forked_has_none_of_it(tmp_path: Path) -> None:
    records = Records()
    told = Visualizer("forked", vis_backends=[records, LocalVisBackend(str(tmp_path))])
    records.go.clear()
    told.add_scalar("of", 1)
    with told._writer._turn:  # held as the fork happens, and by no thread of the child
        child = os.fork()
        if not child:
            records.go.set()
            told.add_scalar("of", 2)
            told.flush()
            os._exit(len(records.given))
    records.go.set()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    told.close()
    lines = (tmp_path / "scalars.json").read_text().splitlines()
    assert sorted(json.loads(line)["of"] for line in lines) == [1, 2]


@pytest.fixture
def pauses() -> list[float]:
    return []


def guarded(records: Records, pauses: list[float]) -> GuardedBackend:
    return GuardedBackend("Records", records, pauses.append)


def test_what_fails_once_is_tried_again(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    records = Records()
    records.failures = [ConnectionError("away"), RuntimeError("busy")]
    assert guarded(records, pauses).call("add_scalar", "loss", 1) is None
    assert records.given == [("loss", 1, 0)]
    assert pauses == [0.1, 0.5]
    assert not caplog.records


def test_what_fails_for_good_is_said_once(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    records = Records()
    records.failures = [ConnectionError(f"away {n}") for n in range(6)]
    backend = guarded(records, pauses)
    for step in range(5):  # the first is tried three times, and then each once
        backend.call("add_scalar", "loss", 1, step)
    assert records.given == [("loss", 1, 4)]
    assert len(pauses) == 2
    assert [r.getMessage() for r in caplog.records] == [
        "Records cannot be written (away 2); the run goes on without it"
    ]
    backend.close()
    assert "Records did not take 4 of what it was given" in caplog.text


def test_one_that_fails_keeps_none_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records()
    records.failures = [TypeError("no number")]
    told = Visualizer("others", vis_backends=[records, LocalVisBackend(str(tmp_path))])
    told.add_scalar("loss", 1)
    told.add_scalar("loss", 2)
    told.close()
    assert len((tmp_path / "scalars.json").read_text().splitlines()) == 2
    assert "TypeError: no number" in caplog.text
    assert "Traceback" in caplog.text  # of a mistake it is of use
    records.failures = [ImportError("there is no library")]
    with pytest.raises(ImportError, match="there is no library"):
        told.add_config(Config({}))


SCRIPT = """
import os, signal, sys, time
from engine_registry import HOOKS, VISBACKENDS
from engine_runner.cli import main
from engine_runner.hooks import Hook
from engine_runner.visualization import BaseVisBackend

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it

@VISBACKENDS.register_module()
class Slow(BaseVisBackend):
    experiment = None
    def add_scalar(self, *args, **kwargs):
        time.sleep(0.002)

@HOOKS.register_module()
class Adds(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for number in range(100):
            runner.visualizer.add_scalar("number", 100 * runner.iter + number)
        if runner.iter == 2:
            if end == "raise":
                raise RuntimeError("it fails")
            os.kill(os.getpid(), getattr(signal, end))

for end in sys.argv[1:]:  # a process for each, which need not import it all again
    child = os.fork()
    if not child:
        os.chdir(end)
        sys.exit(main(["train", "../config.py"]))
    print(end, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_run_that_is_ended_has_all_its_lines(tmp_path: Path) -> None:
    backends = "[dict(type='Slow'), dict(type='LocalVisBackend')]"
    (tmp_path / "config.py").write_text(
        f"{CONFIG}\nvisualizer = dict(type='Visualizer', vis_backends={backends})\n"
        "custom_hooks = [dict(type='Adds')]\n"
    )
    ends = {"raise": 1, "SIGTERM": STOPPED, "SIGINT": STOPPED}
    for end in ends:
        (tmp_path / end).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *ends],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=here(), timeout=200,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line.split()[0] in ends] == [
        f"{end} {status}" for end, status in ends.items()
    ], done.stderr
    for end in ends:
        (file,) = (tmp_path / end / "runs").glob("*/vis_data/scalars.json")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["number"] for line in lines if "number" in line] == list(range(300))


@pytest.mark.parametrize("shape", [(3, 5, 3), (3, 5), (3, 5, 4)])
def test_a_picture_is_a_png(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    backend = LocalVisBackend(str(tmp_path))
    backend.add_image("some/where", image, step=3)
    content = (tmp_path / "vis_image" / "some" / "where_3.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (5, 3)
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    rows = np.frombuffer(zlib.decompress(content[start + 4 : start + 4 + length]), np.uint8)
    assert (rows.reshape(3, -1)[:, 1:] == image.reshape(3, -1)).all()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((2, 2), np.float32), "array of uint8, 0 to 255, got float32"),
        ([1], "array of uint8, 0 to 255, got list"),
        (np.zeros((2, 2, 5), np.uint8), r"got \(2, 2, 5\)"),
    ],
    ids=["floats", "a list", "five channels"],
)
def test_what_is_no_picture(image: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        as_png(image)
