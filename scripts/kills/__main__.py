"""Kill runs at random moments and hold what they end with against unbroken runs.

Usage: ``python -m scripts.kills --kills 200 --seed 0``

Each run is killed many times: it is started, killed, resumed, killed, … until it ends. What
``engine train --resume`` is, is run in forked processes, or in two ranks by torchrun's launcher.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from scripts.kills import checks
from scripts.kills.lives import live
from scripts.kills.subjects import SUBJECTS, Subject
from scripts.kills.triggers import Kind, Trigger

MOST = {1: 16, 2: 4}  # kills of one run, which ends then; of two ranks each takes longer
KINDS: tuple[Kind, ...] = ("moment", "moment", "call", "file", "write")


@dataclass
class Reference:
    """An unbroken run: where it is, and how much there was of what triggers count."""

    folder: Path
    seconds: float
    calls: int
    files: int
    bytes: int


@dataclass
class Account:
    """What was done to a subject, and what was wrong then."""

    runs: int = 0
    lives: int = 0
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def unbroken(subject: Subject, folder: Path) -> Reference:
    """Run a subject to its end.

    Raises
    ------
    RuntimeError
        If it does not come there.
    """
    folder.mkdir()
    subject.write(folder)
    life = live(folder, subject.ranks, None)
    if life.status or life.fault:
        raise RuntimeError(f"the unbroken run of {subject} failed: {_last_words(folder)}")
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    size = max(path.stat().st_size for path in (folder / "work").glob("*.pth"))
    return Reference(folder, life.seconds, facts["calls"], facts["files"], size)


def draw(rng: random.Random, subject: Subject, reference: Reference) -> Trigger:
    """Draw when a life ends, and by which signal."""
    kind = rng.choice(KINDS)
    number = signal.SIGKILL if kind == "write" else rng.choice((signal.SIGTERM, signal.SIGKILL))
    rank = rng.randrange(subject.ranks)
    if kind == "moment":
        whom = rng.choice((rank, -1)) if subject.ranks > 1 else rank
        return Trigger(kind, rng.uniform(0.0, reference.seconds), number, whom)
    if kind == "write":  # only the first writes what grows so long
        return Trigger(kind, rng.randint(1, reference.bytes), number)
    most = {"call": reference.calls, "file": reference.files}[kind]
    return Trigger(kind, rng.randint(1, max(1, most // 3)), number, 0 if kind == "file" else rank)


def killed(
    subject: Subject, folder: Path, reference: Reference, rng: random.Random, most: int
) -> Account:
    """Run a subject, kill it until it has come to its end or was killed often enough; hold it."""
    folder.mkdir()
    subject.write(folder)
    account, work_dir = Account(runs=1), folder / "work"
    before: dict[str, int] = {}
    while True:
        trigger = draw(rng, subject, reference) if account.kills.total() < most else None
        life = live(folder, subject.ranks, trigger)
        account.lives += 1
        if life.fault:
            account.faults.append(life.fault)
        if life.status == 0:
            break
        if trigger is None or not life.reached:
            account.faults.append(f"it failed, status {life.status}: {_last_words(folder)}")
            break
        account.kills[trigger.kind, signal.Signals(trigger.signal).name] += 1
        now = checks.checkpoints(work_dir)
        account.faults += checks.torn(work_dir)
        account.faults += checks.unkept(before, now, subject.keep, checks.stops_of(folder))
        before = now
    if not account.faults:
        account.faults += checks.at_the_end(folder, reference.folder, subject.size, subject.ranks)
    return account


def _last_words(folder: Path) -> str:
    return (folder / "output.txt").read_text(errors="replace")[-2000:]


def _add(total: Account, part: Account) -> None:
    total.runs += part.runs
    total.lives += part.lives
    total.kills.update(part.kills)
    total.faults += part.faults


def kill(kills: int, seed: int, home: Path, most_of_one: int) -> int:
    """Kill so many lives of the subjects in turn; print an account, and return how many faults.

    Parameters
    ----------
    kills, seed : int
        How many, and what their moments are drawn from.
    home : Path
        The folder of all runs.
    most_of_one : int
        The kills of one run, at most.
    """
    chosen = SUBJECTS
    rng, begun = random.Random(seed), time.monotonic()
    references: dict[Subject, Reference] = {}
    accounts = {subject: Account() for subject in chosen}
    done = number = 0
    while done < kills:
        subject = chosen[number % len(chosen)]
        if subject not in references:
            references[subject] = unbroken(subject, home / f"whole{number}")
        folder = home / f"run{number}"
        most = min(kills - done, MOST[subject.ranks], most_of_one)
        part = killed(subject, folder, references[subject], rng, most)
        _add(accounts[subject], part)
        done += part.kills.total()
        number += 1
        for fault in part.faults[:5]:
            print(f"FAULT {subject} in {folder}: {fault}", flush=True)
        print(f"{done} of {kills}: {subject}, {part.lives} lives", file=sys.stderr, flush=True)
    print(_table(accounts, time.monotonic() - begun), flush=True)
    return sum(len(account.faults) for account in accounts.values())


def _table(accounts: dict[Subject, Account], seconds: float) -> str:
    lines = ["| subject | runs | lives | SIGTERM | SIGKILL | within a write | faults |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    total = Account()
    for subject, account in accounts.items():
        lines.append(_line(str(subject), account))
        _add(total, account)
    kinds = Counter(kind for kind, _ in total.kills.elements())
    said = ", ".join(f"{count} by {kind}" for kind, count in sorted(kinds.items()))
    return "\n".join([*lines, _line("all", total), "", f"{said}; {seconds:.0f} s"])


def _line(name: str, account: Account) -> str:
    of = {
        signal_name: sum(
            n for (k, s), n in account.kills.items() if s == signal_name and k != "write"
        )
        for signal_name in ("SIGTERM", "SIGKILL")
    }
    write = sum(n for (kind, _), n in account.kills.items() if kind == "write")
    return (
        f"| {name} | {account.runs} | {account.lives} | {of['SIGTERM']} | {of['SIGKILL']} | {write} "
        f"| {len(account.faults)} |"
    )


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and kill."""
    parser = argparse.ArgumentParser(prog="python -m scripts.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=99, help="kills of one run, at most")
    parser.add_argument(
        "--folder", type=Path, help="where to run; kept (default: a temporary one)"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.folder is not None:
        options.folder.mkdir(parents=True)
        return int(kill(options.kills, options.seed, options.folder, options.most) > 0)
    # not a TemporaryDirectory: the end of each forked process would remove it
    folder = Path(tempfile.mkdtemp(prefix="kills"))
    try:
        return int(kill(options.kills, options.seed, folder, options.most) > 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
