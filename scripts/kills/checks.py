"""What must hold after a kill, and at the end of a run that was killed and resumed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine_dist.checkpoint import CheckpointError
from engine_dist.checkpoint.checksums import verify_checkpoint

__all__ = [
    "at_the_end",
    "checkpoints",
    "differences",
    "stops_of",
    "torn",
    "unkept",
    "works_differ",
]

_START = re.compile(r"\d{8}_\d{6}(_\d+)?")
# clocks, memory and names by the time: no two runs have them in common
_CLOCKS = {"time", "data_time", "memory", "eta", "experiment_name"}
#: what the other ranks say of one that was killed
_TOLD = {"START/fault.txt"}
_STOPPED = re.compile(r"stopped by \w+ after (\d+) of \d+ iterations; all is saved")
_TRAINED = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
_IDS = "_ckpt_ids"
Row = dict[str, Any]


def checkpoints(work_dir: Path) -> dict[str, int]:
    """Return the regular checkpoints of a folder: how many iterations each has behind it."""
    found = {}
    for path in work_dir.glob("*.pth"):
        if not path.name.startswith("best_"):
            try:
                found[path.name] = _load(path)["meta"]["iter"]
            except Exception:  # whatever a torn one raises: `torn` tells of it
                continue
    return found


def torn(work_dir: Path) -> Iterator[str]:
    """Tell every file that is there in part under its own name."""
    for path in sorted(work_dir.glob("*.pth")):
        try:
            verify_checkpoint(path)
            _load(path)
        except (CheckpointError, OSError, RuntimeError, ValueError) as error:
            yield f"{path.name} is torn: {error}"
    pointer = work_dir / "last_checkpoint"
    if pointer.is_file() and not Path(pointer.read_text()).is_file():
        yield f"last_checkpoint names {pointer.read_text()!r}, which is not there"
    for file in work_dir.glob("*/vis_data/*.json"):
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n") and not _is_json(line):
                yield f"{file.relative_to(work_dir)}: {line!r}"


def unkept(
    before: Mapping[str, int],
    now: Mapping[str, int],
    keep: int,
    stops: frozenset[int] = frozenset(),
) -> Iterator[str]:
    """Tell where the newest checkpoints did not stay, or more than these did.

    Two may be as new as each other: one at an epoch's end, one at a stop there. One of a stop may
    go as soon as there is a newer one.
    """
    for name in sorted(before.keys() - now.keys()):
        enough = 1 if before[name] in stops else keep
        if sum(step >= before[name] for step in now.values()) < enough:
            yield f"{name} is gone, and is one of the newest {keep}: {sorted(now)}"
    if len(now) > keep + 1:  # one that was killed between a new file and the removal of an old
        yield f"{len(now)} checkpoints stayed, {sorted(now)}, of which {keep} are to"


def at_the_end(folder: Path, reference: Path, size: int, ranks: int) -> Iterator[str]:
    """Tell what a run that was killed and resumed has other than the unbroken one."""
    yield from works_differ(folder, reference)
    yield from _samples_differ(folder, reference, size, ranks)


def works_differ(folder: Path, reference: Path) -> Iterator[str]:
    """Tell where the folders ``work`` of two runs differ: in files, checkpoints or scalars."""
    own, other = folder / "work", reference / "work"
    mine, theirs = _names(own) - _TOLD, _names(other)
    stops = stops_of(folder)
    if mine != theirs:
        yield f"files: {sorted(mine - theirs)} too much, {sorted(theirs - mine)} missing"
    for name in sorted(name for name in mine & theirs if name.endswith(".pth")):
        one = _comparable(_read(own / name, folder), stops)
        two = _comparable(_read(other / name, reference), stops)
        for place in differences(one, two):
            yield f"{name}: {place}"
    yield from _rows_differ(own, other)


def stops_of(folder: Path) -> frozenset[int]:
    """Return behind which iterations a run was stopped in order, and saved."""
    output = folder / "output.txt"
    text = output.read_text(errors="replace") if output.is_file() else ""
    return frozenset(map(int, _STOPPED.findall(text)))


def _comparable(state: dict[str, Any], stops: frozenset[int]) -> dict[str, Any]:
    """Leave out of a checkpoint what a stop makes another, as it is one more checkpoint.

    Which others there are; and, where it was written at the stop in the stead of the one that the
    unbroken run wrote there, before an epoch's end and a validation, all but what was trained.
    """
    if state["meta"]["iter"] in stops:
        return {key: state[key] for key in _TRAINED if key in state}
    hub = state.get("message_hub")
    if not stops or not hub:
        return state
    rest = {
        part: {key: value for key, value in hub.get(part, {}).items() if not key.endswith(_IDS)}
        for part in ("runtime_info", "resumed_keys")
    }
    return {**state, "message_hub": {**hub, **rest}}


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Tell where two states differ, bit for bit."""
    if type(one) is not type(other):
        yield f"{place}: {type(one).__name__} and {type(other).__name__}"
    elif isinstance(one, Mapping):
        for key in sorted({*one, *other} - _CLOCKS, key=str):
            if str(key).rpartition("/")[2] in _CLOCKS:
                continue
            if key not in one or key not in other:
                yield f"{place}.{key} is {'missing' if key not in one else 'too much'}"
            else:
                yield from differences(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, (list, tuple)):
        if len(one) != len(other):
            yield f"{place} has {len(one)} entries and {len(other)}"
        else:
            for number, (a, b) in enumerate(zip(one, other, strict=True)):
                yield from differences(a, b, f"{place}.{number}")
    elif isinstance(one, Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        if not (same and torch.equal(_bits(one), _bits(other))):
            yield f"{place}: {one.flatten()[:3].tolist()}… and {other.flatten()[:3].tolist()}…"
    elif not _same(one, other):
        yield f"{place}: {one!r:.80} and {other!r:.80}"


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8) if tensor.numel() else tensor


def _same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and math.isnan(one) and math.isnan(other)
    return bool(one == other) or both_nan


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path, folder: Path) -> Any:
    """Return a checkpoint with the run's own folder taken out of its names."""
    return _without(_load(path), str(folder))


def _without(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        return _START.sub("START", value.replace(folder, "RUN"))
    if isinstance(value, dict):
        return {key: _without(item, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without(item, folder) for item in value)
    return value


def _names(work_dir: Path) -> set[str]:
    """Return what is in a work directory; of the folders of each start, what is in any."""
    paths = (path.relative_to(work_dir).as_posix() for path in work_dir.rglob("*"))
    return {_START.sub("START", path) for path in paths}


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _rows(work_dir: Path) -> Iterator[Row]:
    """Yield the rows of ``scalars.json`` of all starts, in order, without what clocks say."""
    for file in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in file.read_text().splitlines():
            if _is_json(line):
                yield {key: value for key, value in json.loads(line).items() if key not in _CLOCKS}


def _by_step(work_dir: Path) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in _rows(work_dir):
        found.setdefault((row["step"], *sorted(row.keys())), []).append(row)
    return found


def _rows_differ(own: Path, other: Path) -> Iterator[str]:
    """Tell rows that differ; those that were written again, after a resume, must be the same."""
    mine, theirs = _by_step(own), _by_step(other)
    for key in sorted({*mine, *theirs}, key=str):
        if key not in mine or key not in theirs:
            yield f"scalars of step {key} are {'missing' if key not in mine else 'too much'}"
            continue
        (expected,) = theirs[key]
        for row in mine[key]:
            if row != expected:
                yield f"scalars: {row} and {expected}"


def _seen(folder: Path, rank: int) -> dict[int, list[int]]:
    """Return the samples of each iteration on a rank.

    Raises
    ------
    ValueError
        If an iteration that was done again saw others.
    """
    found: dict[int, list[int]] = {}
    for line in (folder / f"seen{rank}").read_text().splitlines():
        iteration, numbers = json.loads(line)
        if found.setdefault(iteration, numbers) != numbers:
            raise ValueError(f"iteration {iteration} saw {found[iteration]}, and then {numbers}")
    return found


def _samples_differ(folder: Path, reference: Path, size: int, ranks: int) -> Iterator[str]:
    """Tell where other samples were seen, or one not once in a pass."""
    try:
        mine = [_seen(folder, rank) for rank in range(ranks)]
    except ValueError as error:
        yield str(error)
        return
    if mine != [_seen(reference, rank) for rank in range(ranks)]:
        yield "the order of the samples"
    order = [
        number
        for iteration in sorted(mine[0])
        for dealt in zip(*(seen[iteration] for seen in mine), strict=True)
        for number in dealt
    ]
    for start in range(0, len(order), size):
        part = order[start : start + size]
        if len(set(part)) < len(part):
            yield f"pass {start // size} sees a sample twice: {sorted(part)}"
