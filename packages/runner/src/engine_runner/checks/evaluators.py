"""The metrics: each built, and held against the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine_evaluator import ReducibleMetric
from engine_evaluator.evaluator import build_metric
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Trial

__all__ = ["evaluators", "names_of"]


def evaluators(trial: Trial) -> Iterator[Finding]:
    """Yield what is wrong with metrics, and with those that give values of one name."""
    for mode in ("val", "test"):
        name = f"{mode}_evaluator"
        if not trial.is_sound(name, "custom_imports"):
            continue
        found: list[tuple[Any, str]] = []
        for value, path in _each(trial.given(name), name):
            try:
                found.append((build_metric(value), path))
            except Exception as error:
                yield fault_of(trial, error, path, "the metric cannot be made: ")
        trial.parts.metrics[mode] = found
        yield from _twice(trial, found)


def _each(value: Any, name: str) -> Iterator[tuple[Any, str]]:
    """Yield each metric of an evaluator's configuration, with its path."""
    if isinstance(value, Mapping) and "metrics" in value:
        kind = value.get("type", "Evaluator")
        if kind == "Evaluator":
            yield from _each(value["metrics"], f"{name}.metrics")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from ((one, f"{name}.{index}") for index, one in enumerate(value))
    elif isinstance(value, Mapping):
        yield value, name


def _twice(trial: Trial, found: list[tuple[Any, str]]) -> Iterator[Finding]:
    given: dict[str, str] = {}
    for metric, path in found:
        for name in names_of(metric) or ():
            if name in given:
                yield trial.at(
                    path,
                    f"{type(metric).__name__} gives a value named {name!r}, as {given[name]} does: "
                    "set different prefixes",
                )
            given.setdefault(name, path)


def names_of(metric: Any) -> list[str] | None:
    """Return the names of a metric's values; None where they are not known before there are any.

    A metric whose state is a sum has values, if empty ones, of no samples too.
    """
    if not isinstance(metric, ReducibleMetric):
        return None
    try:
        metric.start(None)
        return list(metric.named(metric.compute()))
    except Exception:  # of no samples it has none
        return None
    finally:
        metric.start(None)
