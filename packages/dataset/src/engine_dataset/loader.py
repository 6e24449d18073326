"""The data loader, built from a configuration."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from multiprocessing.util import register_after_fork
from typing import Any

from torch.utils.data import DataLoader

from engine_dataset.drawing import draws_nothing
from engine_dataset.iterable import SplitStream, WithSourceState, is_stream
from engine_dataset.position import resumable
from engine_dataset.samplers import DefaultSampler
from engine_dataset.seeding import SeededSamples, WithEpochs, kept_apart, worker_init_fn
from engine_dist import get_rank
from engine_registry import DATA_SAMPLERS, DATASETS, FUNCTIONS, guard
from engine_registry.places import add_note

__all__ = ["build_dataloader"]

_PARAMETERS = tuple(inspect.signature(DataLoader.__init__).parameters)[1:]

_REMEDY = (
    "the system ended a worker process of the data loader, mostly for want of memory (then the "
    "kernel's log says so): use fewer num_workers, a smaller prefetch_factor or smaller batches"
)

# what the loader inside of a Loader has in common with it
_KEPT = tuple(
    set(_PARAMETERS) & {
        "num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn",
        "multiprocessing_context", "generator", "prefetch_factor", "persistent_workers",
        "pin_memory_device", "in_order",
    }
)  # fmt: skip


class Loader(DataLoader[Any]):
    """A `DataLoader` whose samples draw from seeds of their own, and whose passes may be cut.

    The one that works is `inner`.

    Parameters
    ----------
    dataset
        The dataset, also of the loader that works inside.
    seed
        The run's seed; None to leave the generators alone.
    num_batch_per_epoch
        End a pass after so many batches; None to end it with the data.
    **settings
        For the `DataLoader`.
    """

    def __init__(
        self, dataset: Any, *, seed: int | None, num_batch_per_epoch: int | None, **settings: Any
    ) -> None:
        super().__init__(dataset, **settings)
        self._seed = seed
        self._batches = num_batch_per_epoch
        register_after_fork(self, _leave_garbage)
        self.renew()

    def renew(self) -> None:
        """Make the loader inside anew, so that its workers know what has changed since."""
        same: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        dataset = self.dataset
        if isinstance(dataset, SplitStream):
            order: dict[str, Any] = {"batch_size": self.batch_size, "drop_last": self.drop_last}
            same["collate_fn"] = WithSourceState(self.collate_fn, dataset)
        else:
            batched = self.batch_sampler is not None
            keys = self.batch_sampler if batched else self.sampler
            if self._seed is not None:
                keys = WithEpochs(keys, resumable(self) or self.sampler, batched=batched)
                each = not draws_nothing(dataset)
                dataset = SeededSamples(dataset, self._seed, self.collate_fn, each=each)
                same["collate_fn"] = _as_it_is
            order = {"batch_sampler": keys} if batched else {"sampler": keys, "batch_size": None}
        self.inner = DataLoader(dataset, **order, **same)

    def __iter__(self) -> Any:
        batches: Iterator[Any] = iter(self.inner)
        if self.num_workers:
            batches = _telling_of_dead_workers(batches)
        stream = self.dataset
        if isinstance(stream, SplitStream):
            stream.begun()
            if stream.seed is not None and not self.num_workers:
                batches = kept_apart(batches)
            batches = stream.noting(batches)
        return batches if self._batches is None else islice(batches, self._batches)

    def __len__(self) -> int:
        if self._batches is None:
            return super().__len__()
        try:
            return min(self._batches, super().__len__())
        except TypeError:  # a stream of unknown length
            return self._batches


def _leave_garbage(loader: Loader) -> None:
    """Collect nothing in a forked process that was there before it.

    Some of that cannot end where it did not begin: a process group that is gone ends the worker.
    And what a collection touches is copied for each worker.
    """
    gc.freeze()


def _telling_of_dead_workers(batches: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from batches
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker (pid"):
            add_note(error, _REMEDY)
        raise


def _as_it_is(batch: Any) -> Any:
    return batch


def build_dataloader(
    value: Any,
    *,
    seed: int | None = None,
    diff_rank_seed: bool = False,
    num_batch_per_epoch: int | None = None,
    even: bool = False,
) -> Any:
    """Return a data loader from a configuration; anything else that gives batches as it is.

    Parameters
    ----------
    value : Mapping or iterable
        Arguments of torch's `DataLoader`, of which ``dataset``, ``sampler``, ``batch_sampler``,
        ``collate_fn`` and ``worker_init_fn`` may be configurations (the last two also names), and
        ``num_batch_per_epoch``. It is not changed. Without a sampler there is a `DefaultSampler`,
        which shuffles where ``shuffle`` says so.
    seed : int, optional
        What the samplers and the workers draw from.
    diff_rank_seed : bool
        Whether every rank's sampler has a seed of its own. MMEngine's samplers deal one order to
        the ranks, so that this is for samplers that do not.
    num_batch_per_epoch : int, optional
        End a pass after so many batches.
    even : bool
        Whether all ranks need as many batches of a stream, as in training: fewer samples than
        there are ranks are left out at its end. So it is with ``drop_last``, too.

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
    with guard(value):
        dataset = _dataset(settings.pop("dataset"))
        if is_stream(dataset):
            dataset = _stream(dataset, settings, seed, even)
        return _loader(dataset, settings, seed, own_seed, batches)


def _stream(source: Any, settings: Mapping[str, Any], seed: int | None, even: bool) -> SplitStream:
    _check_stream(source, settings)
    return SplitStream(
        source,
        batch_size=settings.get("batch_size", 1) or 1,
        seed=None if draws_nothing(source) else seed,
        even=even or bool(settings.get("drop_last")),
    )


def _loader(
    dataset: Any,
    settings: dict[str, Any],
    seed: int | None,
    own_seed: int | None,
    batches: int | None,
) -> DataLoader[Any]:
    sampler = _sampler(settings.pop("sampler", None), dataset=dataset, seed=own_seed)
    batches_of = settings.pop("batch_sampler", None)
    free = sampler is None and (batches_of is None or isinstance(batches_of, Mapping))
    if free and not isinstance(dataset, SplitStream):
        shuffle = bool(settings.pop("shuffle", False))
        sampler = DefaultSampler(dataset, shuffle=shuffle, seed=seed)
    batch_sampler = _sampler(
        batches_of,
        sampler=sampler,
        batch_size=settings.get("batch_size", 1),
    )
    if batch_sampler is not None:
        # the batch sampler says it all; torch refuses both
        settings.pop("batch_size", None)
        sampler = None
    made = {
        "sampler": sampler,
        "batch_sampler": batch_sampler,
        "collate_fn": _function(settings.pop("collate_fn", "pseudo_collate")),
        "worker_init_fn": _worker_init(settings.pop("worker_init_fn", None), settings, seed),
        **settings,
    }
    if draws_nothing(dataset) and draws_nothing(made["collate_fn"]):
        seed = None
    plain = seed is None and batches is None and not settings.get("num_workers")
    if plain and not isinstance(dataset, SplitStream):
        return DataLoader(dataset, **made)
    return Loader(dataset, seed=seed, num_batch_per_epoch=batches, **made)


def _check(settings: Mapping[str, Any]) -> None:
    if unknown := sorted(set(settings) - set(_PARAMETERS)):
        raise TypeError(
            f"a data loader has no parameters {', '.join(unknown)}; it takes "
            f"{', '.join(_PARAMETERS)}, num_batch_per_epoch"
        )
    if "dataset" not in settings:
        raise TypeError("the configuration of a data loader needs 'dataset'")


def _check_stream(dataset: Any, settings: Mapping[str, Any]) -> None:
    for name in ("sampler", "batch_sampler", "shuffle"):
        if settings.get(name):
            raise TypeError(
                f"{type(dataset).__name__} can only be iterated over, which no {name} can change: "
                f"leave {name} out of the loader's configuration, and order the samples in the "
                "dataset; it is split over ranks and workers here"
            )


def _dataset(value: Any) -> Any:
    dataset: Any = DATASETS.build(value) if isinstance(value, Mapping) else value
    if hasattr(dataset, "full_init"):
        dataset.full_init()
    return dataset


def _sampler(value: Any, **default_args: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return DATA_SAMPLERS.build(value, default_args=default_args)


def _function(value: Any) -> Callable[..., Any] | None:
    """Return a function from one, from its name, or from a configuration of its arguments.

    None stays None: torch's own.
    """
    if value is None:
        return None
    arguments = dict(value.items()) if isinstance(value, Mapping) else {"type": value}
    kind = arguments.pop("type")
    found: Any = FUNCTIONS.resolve(kind)
    return partial(found, **arguments) if arguments else found


def _worker_init(value: Any, settings: Mapping[str, Any], seed: int | None) -> Any:
    common = {"num_workers": settings.get("num_workers", 0), "rank": get_rank(), "seed": seed}
    if value is None:
        return None if seed is None else partial(worker_init_fn, **common)
    if isinstance(value, Mapping):
        return _function({**dict(value.items()), **common})
    return FUNCTIONS.resolve(value) if isinstance(value, str) else value
