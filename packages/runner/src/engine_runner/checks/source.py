"""The checkpoint that a run is to start from, or to go on from: its header, and its shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine_config.near_names import near_files
from engine_dist.checkpoint import CheckpointError, load_state_dict
from engine_dist.checkpoint.loading import read_checkpoint
from engine_dist.checkpoint.matching import STRIP_MODULE, revise
from engine_dist.checkpoint.saving import is_local
from engine_dist.wrappers import unwrap
from engine_runner.checks.model import is_on_meta
from engine_runner.checks.trial import Finding, Trial
from engine_runner.state.check import check_header, check_weights

__all__ = ["source"]


def source(trial: Trial) -> Iterator[Finding]:
    """Yield why a checkpoint cannot be taken up; of its tensors no value is read.

    The newest of a work directory is looked for as the run starts: the newest whole one is taken.
    """
    asked = trial.given("resume")
    named = isinstance(asked, str) and asked != "auto"
    path = "resume" if named else "load_from"
    file, resume = trial.given(path), named or asked is True
    if not isinstance(file, str) or not is_local(file, None):
        return
    file = os.path.expanduser(file)
    if Path(file).is_dir():  # a sharded one, which only the strategy reads
        return
    if not Path(file).is_file():
        yield trial.at(path, f"there is no checkpoint {file}{near_files(file)}")
        return
    try:
        state = read_checkpoint(file, mmap=True)
        yield from _fits(trial, path, file, state, resume)
    except CheckpointError as error:
        yield trial.at(path, str(error))


def _fits(trial: Trial, path: str, file: str, state: Any, resume: bool) -> Iterator[Finding]:
    if not isinstance(state, Mapping):
        yield trial.at(path, f"{file} holds no dict of a run, but a {type(state).__name__}")
        return
    (check_header if resume else check_weights)(state, file)
    module = trial.parts.model
    if module is not None and is_on_meta(module):
        weights = revise(state.get("state_dict", state), STRIP_MODULE)
        load_state_dict(unwrap(module), weights, strict=resume)
