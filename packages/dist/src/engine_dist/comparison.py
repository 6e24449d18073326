"""What the ranks of a job must have in common, compared by one small collective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import torch

from engine_dist.collectives import all_gather
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_world_size

__all__ = ["RankMismatchError", "differences"]

_TOLD = 20  # differences of one kind that are told one by one
_LENGTH = 80  # letters of a value


class RankMismatchError(ValueError):
    """The ranks of a job are about to do different things; the message says which, and of what."""

    known_to_all = True  # so that no rank need tell the others


def differences(facts: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Compare facts over ranks: one number of each kind goes to all, the facts only if they differ.

    Parameters
    ----------
    facts : Mapping
        By kind, the same kinds on every rank, values by name.

    Returns
    -------
    dict
        Of the kinds that differ, a line for each name: the values, and which ranks have them. The
        same on every rank.
    """
    if get_world_size() == 1:
        return {}
    found = torch.stack(all_gather(torch.tensor([_digest(kind) for kind in facts.values()])))
    differ = (found != found[0]).any(dim=0).tolist()
    kinds = [kind for kind, other in zip(facts, differ, strict=True) if other]
    if not kinds:
        return {}
    ranks = all_gather_object({kind: dict(facts[kind]) for kind in kinds})
    return {kind: _lines([of_rank[kind] for of_rank in ranks]) for kind in kinds}


def _digest(values: Mapping[str, str]) -> int:
    text = json.dumps(sorted(values.items()))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def _lines(ranks: Sequence[Mapping[str, str]]) -> list[str]:
    names = dict.fromkeys(name for values in ranks for name in values)
    lines = []
    for name in names:
        by_value: dict[str, list[int]] = {}
        for rank, values in enumerate(ranks):
            by_value.setdefault(_short(values.get(name, "not there")), []).append(rank)
        if len(by_value) > 1:
            said = ", ".join(f"{value} on {_named(have)}" for value, have in by_value.items())
            lines.append(f"{name}: {said}")
    more = len(lines) - _TOLD
    return [*lines[:_TOLD], f"and {more} more"] if more > 0 else lines


def _short(value: str) -> str:
    if len(value) <= _LENGTH:
        return value
    # of two that are long alike, the ends need not tell them apart
    mark = hashlib.sha256(value.encode()).hexdigest()[:8]
    return f"{value[:_LENGTH]}… ({mark})"


def _named(ranks: Sequence[int]) -> str:
    """Return ranks in words, those in a row by the first and the last."""
    rows: list[list[int]] = []
    for rank in ranks:
        if rows and rows[-1][1] == rank - 1:
            rows[-1][1] = rank
        else:
            rows.append([rank, rank])
    said = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in rows)
    return f"rank {said}" if len(ranks) == 1 else f"ranks {said}"
