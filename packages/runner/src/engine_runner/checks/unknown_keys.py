"""Names at the top of a configuration that nothing reads."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from engine_config import copies_of
from engine_config.near_names import near_names
from engine_runner.checks.trial import Finding, Trial
from engine_runner.runners.flexible_runner import FlexibleRunner
from engine_runner.runners.runner import Runner

__all__ = ["KNOWN", "OWN_NAMES", "unknown_keys"]

OWN_NAMES = "_user_keys_"
# what of a configuration is read by others than the runners
_BESIDE = (
    "custom_imports", "model_wrapper_cfg", "find_unused_parameters", "sync_bn", "compile", "device",
    "runner_type", "tta_model", "tta_pipeline", "tta_dataloader", "tta_evaluator",
    "efficient_conv_bn_eval", OWN_NAMES,
)  # fmt: skip
KNOWN = frozenset(
    {
        name
        for runner in (Runner, FlexibleRunner)
        for name in inspect.signature(runner).parameters
        if name != "cfg"
    }
    | set(_BESIDE)
)
_MISSPELT = 0.8  # how alike a number's or text's name is to a setting's, to be no name of its own


def unknown_keys(trial: Trial) -> Iterator[Finding]:
    """Yield a fault for each name that is a setting's misspelt, or a dictionary that does nothing."""
    own, wrong = _declared(trial)
    if wrong:
        yield trial.at(OWN_NAMES, wrong)
    for key in map(str, dict.keys(trial.root)):
        if key in KNOWN or key in own or key.startswith("_") or _is_used(trial, key):
            continue
        near = near_names(key, KNOWN)
        alike = difflib.SequenceMatcher(None, key, near[0]).ratio() if near else 0.0
        if alike >= _MISSPELT:
            yield trial.at(key, f"no setting of a run has this name; {_meant(near)}")
        elif _holds_dicts(trial.given(key)):
            yield trial.at(
                key,
                "nothing reads this dictionary: it is no setting of a run, and nothing in the "
                "configuration is made from it. Leave it out, or declare it as your own by "
                f"{OWN_NAMES} = [{key!r}]",
            )


def _declared(trial: Trial) -> tuple[frozenset[str], str]:
    """Return the names that the user keeps, and what is wrong with the list of them."""
    given: Any = trial.given(OWN_NAMES)
    names = [given] if isinstance(given, str) else given
    if names is None:
        return frozenset(), ""
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        return frozenset(), f"it takes a list of names, got {given!r}"
    if missing := [name for name in names if name not in trial.root]:
        near = near_names(missing[0], trial.root)
        meant = f"; {_meant(near)}" if near else ""
        return frozenset(names), f"the configuration has no {missing[0]!r}{meant}"
    return frozenset(names), ""


def _is_used(trial: Trial, key: str) -> bool:
    """Tell whether a setting of a run was made from a name."""
    return any(path.partition(".")[0] in KNOWN for path in copies_of(trial.cfg, key))


def _meant(near: list[str]) -> str:
    return f"did you mean {' or '.join(map(repr, near))}?"


def _holds_dicts(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(one, dict) for one in value)
    return isinstance(value, dict)
