"""Which signals are heeded, when, and what Slurm is asked."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_runner.hooks import Hook, RunnerLike
from engine_runner.process.preempted import Preempted
from tests.runner.preempted import Signals, a_run, gone_on_with


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_are_there_while_it_runs_and_no_longer(tmp_path: Path, handlers: None) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    watched = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = [signal.getsignal(number) for number in watched]
    wakeup = signal.set_wakeup_fd(-1)
    during: list[Any] = []

    class Look(Hook):
        def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
            during[:] = [signal.getsignal(number) for number in watched]

    a_run(tmp_path, Look()).train()
    assert [new != old for new, old in zip(during, before, strict=True)] == [True, True, False]
    with pytest.raises(Preempted):
        a_run(tmp_path / "told", Signals("train", 2, signal.SIGUSR1)).train()
    assert [signal.getsignal(number) for number in watched] == before
    assert signal.set_wakeup_fd(wakeup) == -1
    assert "engine-signals" not in [thread.name for thread in threading.enumerate()]


def test_a_handler_of_the_users_own_stays(tmp_path: Path, handlers: None) -> None:
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    run = a_run(tmp_path, Signals("train", 2))
    run.train()
    assert (came, run.iter) == ([signal.SIGTERM], 12)


def test_a_handler_that_the_run_sets_stays(tmp_path: Path, handlers: None) -> None:
    def own(number: int, frame: Any) -> None: ...

    class Sets(Hook):
        def before_train(self, runner: RunnerLike) -> None:
            signal.signal(signal.SIGTERM, own)

    a_run(tmp_path, Sets()).train()
    assert signal.getsignal(signal.SIGTERM) is own


def test_ctrl_c_in_a_program_is_pythons(tmp_path: Path, handlers: None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = a_run(tmp_path, Signals("train", 2, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run.train()
    assert run.iter == 1
    wish = {"preemption": {"signals": ["SIGINT"]}}
    gone_on_with(tmp_path / "wished", Signals("train", 2, signal.SIGINT), env_cfg=wish)


def test_what_the_settings_may_be(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"signals": ["SIGHUP"]}, "takes names of SIGTERM, SIGUSR1, SIGINT, got 'SIGHUP'"),
        ({"deadline": 0}, "seconds above 0, got 0"),
        ({"requeued": True}, "takes signals, deadline, requeue, got 'requeued'"),
    ]
    for given, said in wrong:
        with pytest.raises(ValueError, match=said):
            a_run(tmp_path, env_cfg={"preemption": given})


def test_in_a_thread_signals_are_left_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run = a_run(tmp_path)
    found: list[Any] = []

    class Look(Hook):
        def before_train(self, runner: RunnerLike) -> None:
            found.append(signal.getsignal(signal.SIGTERM))

    run.register_hook(Look())
    thread = threading.Thread(target=run.train)
    thread.start()
    thread.join()
    assert (run.iter, found) == (12, [before])


# ------------------------------------------------------------------------- Slurm


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("status", [0, 1])
def test_slurm_is_asked_to_start_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, array: bool, status: int,
    handlers: None, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    fake = tmp_path / "scontrol"
    fake.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\necho no such job >&2\nexit {status}\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    if array:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "70")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    settings = {"preemption": {"requeue": True}}
    with pytest.raises(Preempted) as stop:
        a_run(tmp_path / "run", Signals("train", 2, number), env_cfg=settings).train()
    assert stop.value.code == 75
    asked = tmp_path / "asked"
    if number == signal.SIGTERM:  # which whoever cancels a job sends, too
        assert not asked.exists()
        return
    assert asked.read_text() == f"requeue {'70_7' if array else '77'}\n"
    assert ("status 1: no such job" in capsys.readouterr().out) == bool(status)


def test_slurm_is_not_asked_without_a_wish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    fake = tmp_path / "scontrol"
    fake.write_text(f'#!/bin/sh\ntouch "{tmp_path}/asked"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with pytest.raises(Preempted):
        a_run(tmp_path / "run", Signals("train", 2, signal.SIGUSR1)).train()
    assert not (tmp_path / "asked").exists()
