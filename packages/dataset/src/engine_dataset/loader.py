"""The data loader: built from a configuration, and put back where it stood."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader

from engine_dataset.seeding import worker_init_fn
from engine_dist import get_rank, get_world_size
from engine_registry import DATA_SAMPLERS, DATASETS, FUNCTIONS

__all__ = ["build_dataloader", "get_loader_state", "set_loader_state"]

logger = logging.getLogger("engine.dataset")

_PARAMETERS = tuple(inspect.signature(DataLoader.__init__).parameters)[1:]


class _Shortened:
    """Gives the first batches of every pass over a loader."""

    def __init__(self, loader: DataLoader[Any], batches: int) -> None:
        self._loader = loader
        self._batches = batches

    def __iter__(self) -> Any:
        return islice(iter(self._loader), self._batches)

    def __len__(self) -> int:
        return min(self._batches, len(self._loader))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._loader, name)


def build_dataloader(
    value: Any,
    *,
    seed: int | None = None,
    diff_rank_seed: bool = False,
    num_batch_per_epoch: int | None = None,
) -> Any:
    """Return a data loader from a configuration; anything else that gives batches as it is.

    Parameters
    ----------
    value : Mapping or iterable
        Arguments of torch's `DataLoader`, of which ``dataset``, ``sampler``, ``batch_sampler``,
        ``collate_fn`` and ``worker_init_fn`` may be configurations (the last two also names), and
        ``num_batch_per_epoch``. It is not changed.
    seed : int, optional
        What the samplers and the workers draw from.
    diff_rank_seed : bool
        Whether every rank's sampler has a seed of its own. MMEngine's samplers deal one order to
        the ranks, so that this is for samplers that do not.
    num_batch_per_epoch : int, optional
        End a pass after so many batches.

    Raises
    ------
    TypeError
        If it is no configuration and cannot be iterated over, or has unknown keys.
    """
    if not isinstance(value, Mapping):
        if not isinstance(value, Iterable):
            raise TypeError(
                "a data loader is a config with 'dataset', or gives batches when iterated over; "
                f"got {type(value).__name__}"
            )
        return value
    settings = dict(value.items())
    batches = settings.pop("num_batch_per_epoch", num_batch_per_epoch)
    _check(settings)
    own_seed = None if seed is None else seed + (get_rank() if diff_rank_seed else 0)
    loader = _loader(settings, seed, own_seed)
    return loader if batches is None else _Shortened(loader, batches)


def _loader(settings: dict[str, Any], seed: int | None, own_seed: int | None) -> DataLoader[Any]:
    dataset = _dataset(settings.pop("dataset"))
    sampler = _sampler(settings.pop("sampler", None), dataset=dataset, seed=own_seed)
    batch_sampler = _sampler(
        settings.pop("batch_sampler", None),
        sampler=sampler,
        batch_size=settings.get("batch_size", 1),
    )
    if batch_sampler is not None:
        # the batch sampler says it all; torch refuses both
        settings.pop("batch_size", None)
        sampler = None
    return DataLoader(
        dataset,
        sampler=sampler,
        batch_sampler=batch_sampler,
        collate_fn=_function(settings.pop("collate_fn", "pseudo_collate")),
        worker_init_fn=_worker_init(settings.pop("worker_init_fn", None), settings, seed),
        **settings,
    )


def _check(settings: Mapping[str, Any]) -> None:
    if unknown := sorted(set(settings) - set(_PARAMETERS)):
        raise TypeError(
            f"a data loader has no parameters {', '.join(unknown)}; it takes "
            f"{', '.join(_PARAMETERS)}, num_batch_per_epoch"
        )
    if "dataset" not in settings:
        raise TypeError("the configuration of a data loader needs 'dataset'")


def _dataset(value: Any) -> Any:
    dataset: Any = DATASETS.build(value) if isinstance(value, Mapping) else value
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    return dataset


def _sampler(value: Any, **default_args: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return DATA_SAMPLERS.build(value, default_args=default_args)


def _function(value: Any) -> Callable[..., Any]:
    """Return a function from one, from its name, or from a configuration of its arguments."""
    arguments = dict(value.items()) if isinstance(value, Mapping) else {"type": value}
    kind = arguments.pop("type")
    found: Any = FUNCTIONS.resolve(kind)
    return partial(found, **arguments) if arguments else found


def _worker_init(value: Any, settings: Mapping[str, Any], seed: int | None) -> Any:
    common = {"num_workers": settings.get("num_workers", 0), "rank": get_rank(), "seed": seed}
    if value is None:
        return None if seed is None else partial(worker_init_fn, **common)
    if isinstance(value, Mapping):
        return partial(_function(value), **common)
    return FUNCTIONS.resolve(value) if isinstance(value, str) else value


# -------------------------------------------------------------------------- position


def get_loader_state(loader: Any, *, consumed: int) -> dict[str, Any]:
    """Return where a loader stands after some batches of a pass, as plain values.

    Parameters
    ----------
    loader : Any
        What gives the batches.
    consumed : int
        Batches taken from its iterator of now. What workers have drawn further does not count.
    """
    state: dict[str, Any] = {"consumed": consumed}
    sampler, batch_size = _resumable(loader), _batch_size(loader)
    if sampler is not None and batch_size is not None:
        state["sampler"] = sampler.state_dict(consumed * batch_size)
    return state


def set_loader_state(loader: Any, state: Mapping[str, Any]) -> int:
    """Let the next pass give what was left when ``state`` was taken; later ones are whole.

    Returns
    -------
    int
        How many batches of this run's size the pass is behind already.
    """
    sampler, batch_size = _resumable(loader), _batch_size(loader)
    if sampler is None or batch_size is None or "sampler" not in state:
        if state.get("consumed", 0):
            logger.warning(
                "the position in the data is not restored: %s has no sampler of this engine; "
                "the pass that was begun begins anew", type(loader).__name__,
            )  # fmt: skip
        return 0
    sampler.load_state_dict(dict(state["sampler"]))
    return int(state["sampler"]["position"]) // (batch_size * get_world_size())


def _resumable(loader: Any) -> Any:
    for sampler in (
        getattr(loader, "sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
    ):
        if hasattr(sampler, "load_state_dict") and hasattr(sampler, "state_dict"):
            return sampler
    return None


def _batch_size(loader: Any) -> int | None:
    size = getattr(loader, "batch_size", None)
    if size is None:
        size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    return size if isinstance(size, int) else None
