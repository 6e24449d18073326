"""The data loader, built from a configuration."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing.util import register_after_fork
from typing import Any, TypeVar, overload

from torch.utils.data import DataLoader

from engine_dataset.collate import as_function
from engine_dataset.iterable import SplitStream, WithSourceState, is_stream
from engine_dataset.keys import Keys
from engine_dataset.samplers import DefaultSampler
from engine_dataset.seeding import kept_apart, worker_init_fn
from engine_dataset.short_pass import iterate
from engine_dataset.worker_rng import Start, WorkerStates, Working
from engine_dataset.worker_signals import Outliving, kill_in_place_of_asking
from engine_dist import data_parallel
from engine_registry import DATA_SAMPLERS, DATASETS, FUNCTIONS, guard
from engine_registry.places import add_note, config_origin

__all__ = ["build_dataloader"]

Batches = TypeVar("Batches", bound=Iterable[Any])

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
    """A `DataLoader` that knows how its workers' generators stand, and whose passes may be cut.

    The one that works is `inner`.

    Parameters
    ----------
    dataset
        The dataset, also of the loader that works inside.
    num_batch_per_epoch
        End a pass after so many batches; None to end it with the data.
    **settings
        For the `DataLoader`.

    Attributes
    ----------
    worker_states : WorkerStates, optional
        Where there are workers, and they share no stream.
    """

    def __init__(self, dataset: Any, *, num_batch_per_epoch: int | None, **settings: Any) -> None:
        super().__init__(dataset, **settings)
        self._batches = num_batch_per_epoch
        self.worker_states = (
            WorkerStates(self.num_workers, self.persistent_workers)
            if self.num_workers and not isinstance(dataset, SplitStream)
            else None
        )
        self._forks = False
        register_after_fork(self, _leave_garbage)
        self.renew()

    def renew(self, behind: int = 0, start: Start | None = None) -> None:
        """Make the loader inside anew, so that its workers know what has changed since.

        Parameters
        ----------
        behind
            Batches of the next pass that need not be given.
        start
            What the workers go on from in it; None for fresh seeds.
        """
        same: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        dataset = self.dataset
        self._behind, self._resumed = behind, start
        if isinstance(dataset, SplitStream):
            order: dict[str, Any] = {"batch_size": self.batch_size, "drop_last": self.drop_last}
            same["collate_fn"] = WithSourceState(self.collate_fn, dataset)
        else:
            batched = self.batch_sampler is not None
            self._keys = Keys(self.batch_sampler if batched else self.sampler)
            order = {"batch_sampler": self._keys}
            if not batched:
                order = {"sampler": self._keys, "batch_size": None}
            if self.worker_states is not None:
                self._start = Start()
                working = Working(self.collate_fn, self.worker_init_fn, self._start)
                same.update(collate_fn=working, worker_init_fn=working.begin)
        same["worker_init_fn"] = Outliving(same["worker_init_fn"])
        self.inner = DataLoader(dataset, **order, **same)

    def __iter__(self) -> Any:
        left = None if self._batches is None else max(0, self._batches - self._behind)
        self._behind, stream = 0, self.dataset
        if isinstance(stream, SplitStream):
            return islice(self._streamed(stream), left)
        self._keys.most = left
        if self.worker_states is None:
            return self._start_inner()
        return self._from_workers(self.worker_states)

    def _streamed(self, stream: SplitStream) -> Iterator[Any]:
        batches = self._start_inner()
        if self.num_workers:
            batches = _telling_of_dead_workers(batches)
        stream.begun()
        if stream.seed is not None and not self.num_workers:
            batches = kept_apart(batches)
        return stream.noting(batches)

    def _from_workers(self, states: WorkerStates) -> Iterator[Any]:
        start, self._resumed = self._resumed or states.next_start(), None
        states.begin(start)
        if start.turn and not self._keys.repeat_first(start.turn):
            states.end()  # nothing of the pass is left
            return iter(())
        self._start.states, self._start.turn = start.states, start.turn
        return states.noting(_telling_of_dead_workers(self._start_inner()))

    def _start_inner(self) -> Iterator[Any]:
        if not self.num_workers:
            return iterate(self.inner)
        if not gc.isenabled():
            return kill_in_place_of_asking(iter(self.inner))
        # from the fork on, and not only from where the new process runs what is registered for it
        gc.disable()
        self._forks = True
        try:
            return kill_in_place_of_asking(iter(self.inner))
        finally:
            self._forks = False
            gc.enable()

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
    if loader._forks:
        loader._forks = False
        gc.enable()


def _telling_of_dead_workers(batches: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from batches
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker (pid"):
            add_note(error, _REMEDY)
        raise


@overload
def build_dataloader(
    value: Mapping[str, Any],
    *,
    seed: int | None = None,
    diff_rank_seed: bool = False,
    num_batch_per_epoch: int | None = None,
    even: bool = False,
) -> DataLoader[Any]: ...
@overload
def build_dataloader(
    value: Batches,
    *,
    seed: int | None = None,
    diff_rank_seed: bool = False,
    num_batch_per_epoch: int | None = None,
    even: bool = False,
) -> Batches: ...
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
    own_seed = None if seed is None else seed + (data_parallel().rank if diff_rank_seed else 0)
    with _naming(value), guard(value):
        _check(settings)
        dataset = _dataset(settings.pop("dataset"))
        if is_stream(dataset):
            dataset = _stream(dataset, settings, seed, even)
        return _loader(dataset, settings, seed, own_seed, batches)


@contextmanager
def _naming(value: Any) -> Iterator[None]:
    """Let an error say in which configuration of a loader it came up."""
    try:
        yield
    except Exception as error:
        origin = config_origin(value)
        if origin:
            add_note(error, f"in the data loader ({origin})")
        raise


def _stream(source: Any, settings: Mapping[str, Any], seed: int | None, even: bool) -> SplitStream:
    _check_stream(source, settings)
    alone = data_parallel().size == 1 and not settings.get("num_workers")
    return SplitStream(
        source,
        batch_size=settings.get("batch_size", 1) or 1,
        seed=None if alone or getattr(source, "draws_nothing", False) else seed,
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
        "collate_fn": as_function(settings.pop("collate_fn", "pseudo_collate")),
        "worker_init_fn": _worker_init(settings.pop("worker_init_fn", None), settings, seed),
        **settings,
    }
    plain = batches is None and not settings.get("num_workers")
    if plain and not isinstance(dataset, SplitStream):
        return DataLoader(dataset, **made)
    return Loader(dataset, num_batch_per_epoch=batches, **made)


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


def _worker_init(value: Any, settings: Mapping[str, Any], seed: int | None) -> Any:
    workers, rank = settings.get("num_workers", 0), data_parallel().rank
    common = {"num_workers": workers, "rank": rank, "seed": seed}
    if value is None:
        return None if seed is None else partial(worker_init_fn, **common)
    if isinstance(value, Mapping):
        made = as_function(value)
        asked = inspect.signature(made).parameters if made else {}
        run = {name: one for name, one in common.items() if name in asked and name not in value}
        return partial(made, **run) if made and run else made
    return FUNCTIONS.resolve(value) if isinstance(value, str) else value
