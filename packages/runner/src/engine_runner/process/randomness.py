"""How a run draws its random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from engine_dist import data_parallel, set_random_seed, sync_random_seed

__all__ = ["Randomness", "part_generators", "refuse_unknown"]


@dataclass(frozen=True)
class Randomness:
    """How a run draws its random numbers.

    Parameters
    ----------
    seed : int, optional
        The seed; by default one is drawn, the same on every rank.
    diff_rank_seed : bool, default False
        Give every rank a stream of its own from the start; otherwise ranks build the same model,
        and have streams of their own in training.
    deterministic : bool, default False
        Refuse algorithms that may give another result for the same input.
    """

    seed: int | None = None
    diff_rank_seed: bool = False
    deterministic: bool = False

    @classmethod
    def from_cfg(cls, cfg: Mapping[str, Any] | None) -> Randomness:
        """Take the parameters from a configuration.

        Raises
        ------
        ValueError
            For any other key.
        TypeError
            For a value of another type.
        """
        settings = dict(cfg or {})
        refuse_unknown("randomness", settings, *(field.name for field in fields(cls)))
        return cls(**settings)

    def __post_init__(self) -> None:
        if self.seed is not None and (
            not isinstance(self.seed, Integral) or isinstance(self.seed, bool) or self.seed < 0
        ):
            raise TypeError(
                f"randomness.seed must be a whole number of 0 or more, or None, got {self.seed!r}"
            )
        for name in ("diff_rank_seed", "deterministic"):
            if type(getattr(self, name)) is not bool:
                raise TypeError(
                    f"randomness.{name} must be True or False, got {getattr(self, name)!r}"
                )

    def apply(self) -> int:
        """Seed every generator; return the seed that all ranks share."""
        seed = sync_random_seed() if self.seed is None else self.seed
        set_random_seed(seed, self.deterministic, self.diff_rank_seed)
        return seed


def part_generators(seed: int, *, parted: bool) -> None:
    """Let ranks that have different samples draw different numbers from now on, as by dropout.

    Their models were built with the same. The first rank draws on, as a process by itself does, and
    so do those that compute one batch together with it.

    Parameters
    ----------
    seed : int
        The run's.
    parted : bool
        Whether they have been drawing different numbers from the start.
    """
    if data_parallel().rank and not parted:
        set_random_seed(seed, diff_rank_seed=True)


def refuse_unknown(name: str, given: Iterable[str], *known: str) -> None:
    """Raise ValueError for keys of a setting that nothing reads."""
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(
            f"{name} has unknown keys {', '.join(unknown)}; it takes {', '.join(known)}"
        )
