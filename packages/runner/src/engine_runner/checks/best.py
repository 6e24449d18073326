"""Metrics that hooks and schedules name: whether an evaluator gives them."""

from __future__ import annotations

from collections.abc import Iterator

from engine_config.near_names import near_names
from engine_runner.checks.evaluators import names_of
from engine_runner.checks.trial import Finding, Notice, Trial
from engine_runner.hooks.best import BestError
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.hooks.early_stopping import EarlyStoppingHook

__all__ = ["best"]


def best(trial: Trial) -> Iterator[Finding]:
    """Yield metrics that are named and not given.

    They are known where all metrics tell the names of their values; losses that the model gives with
    its predictions are not. What is not known is told after the first validation.
    """
    names, all_known = _given(trial)
    for path, hook in trial.parts.hooks.items():
        if isinstance(hook, CheckpointHook):
            keys = [hook.save_best] if isinstance(hook.save_best, str) else hook.save_best or []
            yield from _files(trial, path, list(keys))
            if keys and trial.given("val_dataloader") is None and trial.given("train_cfg"):
                yield Notice(trial.at(
                    f"{path}.save_best", "nothing is validated, so that no checkpoint is the best"
                ))  # fmt: skip
                continue
            for key in keys:
                yield from _key(trial, f"{path}.save_best", key, names, all_known)
            if keys == ["auto"] and all_known and names:
                yield from _rule(trial, path, hook, names[0])
        elif isinstance(hook, EarlyStoppingHook):
            yield from _key(trial, f"{path}.monitor", hook.monitor, names, all_known)


def _given(trial: Trial) -> tuple[list[str], bool]:
    """Return the names of the values of a validation, and whether they are all."""
    names: list[str] = []
    metrics = trial.parts.metrics.get("val")
    if not metrics or not trial.is_sound("val_evaluator"):
        return [], False
    for metric, _ in metrics:
        own = names_of(metric)
        if own is None:
            return names, False
        names += own
    return names, True


def _key(
    trial: Trial, path: str, key: str, names: list[str], all_known: bool
) -> Iterator[Finding]:
    if not all_known or key == "auto" or key in names or "loss" in key:
        return
    near = near_names(key, names)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    yield trial.at(
        path, f"no evaluator gives {key!r}; the validation gives {', '.join(names)}{meant}"
    )


def _rule(trial: Trial, path: str, hook: CheckpointHook, first: str) -> Iterator[Finding]:
    try:
        hook._best[0].rule_of(first)
    except BestError as error:
        yield trial.at(f"{path}.save_best", f"'auto' stands for the first metric: {error}")


def _files(trial: Trial, path: str, keys: list[str]) -> Iterator[Finding]:
    """Yield metrics whose best checkpoints would have one name."""
    seen: dict[str, str] = {}
    for key in keys:
        other = seen.setdefault(key.replace("/", "_"), key)
        if other != key:
            yield trial.at(
                f"{path}.save_best",
                f"the best checkpoints of {other!r} and {key!r} would have one name, "
                f"best_{key.replace('/', '_')}_…: give one of the metrics another prefix",
            )
