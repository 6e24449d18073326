"""Tasks on several processes, with a word on how far they are."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TextIO, TypeVar

from .progress_bar import ProgressBar, tasks_of

__all__ = ["track_parallel_progress", "track_progress_rich"]

T = TypeVar("T")

_AHEAD = 4  # chunks that wait for each process: tasks of a generator are not all held


def track_parallel_progress(
    func: Callable[[Any], T],
    tasks: Any,
    nproc: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] | None = None,
    bar_width: int = 50,
    chunksize: int = 1,
    skip_first: bool = False,
    keep_order: bool = True,
    file: TextIO | None = None,
) -> list[T]:
    """Call a function on each task, on several processes, and show how far it is.

    Parameters
    ----------
    func : Callable
        What is called; processes import it.
    tasks : Sequence or tuple of (Iterable, int)
        The tasks, with their number where they do not know it.
    nproc : int
        How many processes.
    initializer, initargs : Callable, tuple, optional
        What each calls first, and with what.
    bar_width, file
        As of `ProgressBar`.
    chunksize : int
        How many tasks are handed over at once.
    skip_first : bool
        Whether the first of each process are not counted, as they may take longer.
    keep_order : bool
        Whether results are in the order of the tasks, or as they come.

    Returns
    -------
    list

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        If a process ends, or its initializer fails; here MMEngine waits for ever.
    """
    given, count = tasks_of(tasks)
    if initargs is not None and not isinstance(initargs, tuple):
        raise TypeError(f'"initargs" must be a tuple, got {initargs!r}')
    skipped = nproc * chunksize if skip_first else 0
    bar = ProgressBar(max(count - skipped, 0), bar_width, start=not skipped, file=file)
    with ProcessPoolExecutor(_positive("nproc", nproc), None, initializer, initargs or ()) as pool:
        found = _results(pool, func, given, chunksize, keep_order, nproc * _AHEAD)
        return _counting(found, bar, skipped)


def _counting(found: Iterable[T], bar: ProgressBar, skipped: int) -> list[T]:
    """Return all that is found; a bar that was not started starts behind the first."""
    results = []
    for result in found:
        results.append(result)
        if len(results) > skipped:
            bar.update()
        elif len(results) == skipped:
            bar.start()
    bar.file.write("\n")
    return results


def track_progress_rich(
    func: Callable[..., T],
    tasks: Iterable[Any] = (),
    task_num: int | None = None,
    nproc: int = 1,
    chunksize: int = 1,
    description: str = "Processing",
    color: str = "blue",
) -> list[T]:
    """Call a function on each task, on one or several processes, below a bar of rich's.

    Parameters
    ----------
    func : Callable
        What is called; a task that is a tuple or a list are its arguments.
    tasks : Iterable
        The tasks; without any, the function is called ``task_num`` times without arguments.
    task_num : int, optional
        How many they are; by default their length, if they have one.
    nproc : int
        How many processes; more than one must be able to import the function.
    chunksize : int
        How many tasks are handed over at once.
    description, color : str
        What stands before the bar, and its colour.

    Returns
    -------
    list
        What the calls returned, in the order of the tasks.

    Raises
    ------
    ValueError
        If the tasks are not ``task_num``, or there are neither tasks nor a number.
    """
    _positive("nproc", nproc)
    given, number = _with_number(tasks, task_num)
    call = _Call(func)
    results: list[T] = []
    with ProcessPoolExecutor(nproc) as pool, _bar(color) as bar:
        line = bar.add_task(description, total=number)
        if nproc == 1:
            found: Iterable[T] = map(call, given)
        else:
            found = _results(pool, call, given, chunksize, True, nproc * _AHEAD)
        for result in found:
            results.append(result)
            bar.update(line, advance=1)
    return results


def _with_number(tasks: Any, task_num: int | None) -> tuple[Iterable[Any], int | None]:
    """Return the tasks, and how many they are, if that is known."""
    if not isinstance(tasks, Iterable):
        raise TypeError(f"tasks must be an iterable object, got {type(tasks).__name__}")
    if not isinstance(tasks, Sized):
        return tasks, task_num
    if not len(tasks):
        if task_num is None:
            raise ValueError("If tasks is an empty iterable, task_num must be set")
        return itertools.repeat((), task_num), task_num
    if task_num is not None and task_num != len(tasks):
        raise ValueError(
            f"task_num does not match the length of tasks: {task_num} != {len(tasks)}"
        )
    return tasks, len(tasks)


class _Call:
    """A function whose arguments a tuple or a list holds."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, task: Any) -> Any:
        return self.func(*task) if isinstance(task, (tuple, list)) else self.func(task)


def _bar(color: str) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    style = Console().get_style(color, default="none")  # of a word that is no style, none
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(complete_style=style, finished_style=style),
        TimeRemainingColumn(elapsed_when_finished=True),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
    )


def _positive(name: str, number: int) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{name} must be a positive number, got {number!r}")
    return number


def _results(
    pool: ProcessPoolExecutor,
    func: Callable[[Any], T],
    tasks: Iterable[Any],
    chunksize: int,
    keep_order: bool,
    window: int,
) -> Iterator[T]:
    """Yield results, with no more chunks under way than a window holds."""
    given = iter(tasks)
    under_way: deque[Future[list[T]]] = deque()
    chunks = iter(lambda: list(itertools.islice(given, _positive("chunksize", chunksize))), [])
    try:
        for chunk in chunks:
            under_way.append(pool.submit(_run, func, chunk))
            if len(under_way) >= window:
                yield from _next(under_way, keep_order)
        while under_way:
            yield from _next(under_way, keep_order)
    finally:
        for future in under_way:
            future.cancel()


def _next(under_way: deque[Future[list[T]]], keep_order: bool) -> list[T]:
    if keep_order:
        return under_way.popleft().result()
    done = next(iter(wait(under_way, return_when=FIRST_COMPLETED).done))
    under_way.remove(done)
    return done.result()


def _run(func: Callable[[Any], T], chunk: list[Any]) -> list[T]:
    return [func(task) for task in chunk]
