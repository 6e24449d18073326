"""One call for every place that takes the config and the scalars of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from engine_config import Config
from engine_dist import is_main_process, master_only
from engine_registry import VISBACKENDS, VISUALIZERS, ManagerMixin, build_as

from .backends import BaseVisBackend, RunPlace
from .guarded import MISTAKES, GuardedBackend
from .writer import Writer

_DATA = "vis_data"  # below the folder of a run: where backends write


def is_run(name: object) -> TypeGuard[str]:
    """Tell whether something, which comes from a file, can be the name of a run's folder."""
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name) is not None


@VISUALIZERS.register_module()
class Visualizer(ManagerMixin):
    """Hands the config, the scalars and the pictures of a run to several backends.

    Those of the main process are called, on a thread, in the order of the calls here. A call copies what it is
    given and returns; where much is waiting for a slow backend, it waits, and nothing is dropped.
    All is with the backends after :meth:`flush`, :meth:`close`, and when the process ends, but for
    a process that is killed. What fails in a backend is tried again, logged once, and stops neither
    the run nor the other backends. Of several processes the main one alone hands anything over.

    Parameters
    ----------
    name : str
        The name that the instance is known by.
    image : array, optional
        Kept for the drawing methods.
    vis_backends : list, optional
        Backends, or dicts that describe them; ``name`` in a dict tells two of one type apart.
    save_dir : str, optional
        The folder of the run; backends write to ``vis_data`` below it.
    fig_save_cfg, fig_show_cfg : dict, optional
        Kept for the drawing methods.

    Raises
    ------
    TypeError
        If ``vis_backends`` is no list of backends and dicts.
    ValueError
        If two backends have one name, or one has no folder.

    Examples
    --------
    >>> visualizer = Visualizer("readme")
    >>> visualizer.add_scalar("loss", 0.5, step=1)
    >>> visualizer.close()
    """

    def __init__(
        self,
        name: str = "visualizer",
        image: Any = None,
        vis_backends: Sequence[BaseVisBackend | Mapping[str, Any]] | None = None,
        save_dir: str | None = None,
        fig_save_cfg: Mapping[str, Any] | None = None,
        fig_show_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name)
        self.dataset_meta: dict[str, Any] | None = None
        self._image = image
        self._fig_save_cfg = {"frameon": False} if fig_save_cfg is None else dict(fig_save_cfg)
        self._fig_show_cfg = {"frameon": False} if fig_show_cfg is None else dict(fig_show_cfg)
        self._save_dir = None if save_dir is None else Path(save_dir)
        self._run = "" if save_dir is None else Path(save_dir).name
        self._rows: dict[str, int] = {}  # of each backend, before this run gave any
        self._given = 0
        self._vis_backends: dict[str, BaseVisBackend] = {}
        self._guarded: dict[str, GuardedBackend] = {}
        self._writer: Writer[Callable[[], object]] = Writer(lambda work: work())
        if not isinstance(vis_backends, list | tuple | None):
            raise TypeError(
                f"vis_backends must be a list of backends or dicts, got {vis_backends!r}"
            )
        for value in vis_backends or ():
            self._add_backend(value, save_dir)

    def _add_backend(self, value: Any, save_dir: str | None) -> None:
        name = None
        if isinstance(value, Mapping):
            # A shallow copy knows, as the original, where it was written and if it is trusted.
            value = copy(value)
            name = value.pop("name", None)
        folder = {} if save_dir is None else {"save_dir": str(Path(save_dir) / _DATA)}
        backend = build_as(VISBACKENDS, value, BaseVisBackend, **folder)
        name = name or type(backend).__name__
        if name in self._vis_backends:
            raise ValueError(
                f"two visualisation backends are called {name!r}: give one another name, "
                f"as in dict(type={name!r}, name='second')"
            )
        self._vis_backends[name] = backend
        self._guarded[name] = GuardedBackend(name, backend)
        self._rows[name] = backend.rows

    @property
    def run_dir(self) -> str | None:
        """The folder of the run's first start, below which its backends write."""
        return None if self._save_dir is None else str(self._save_dir.parent / self._run)

    def state_dict(self) -> dict[str, Any]:
        """Return the run's identity, and how many rows each backend has been given."""
        return {
            "run": self._run,
            "rows": {name: before + self._given for name, before in self._rows.items()},
        }

    def go_on(self, state: Mapping[str, Any], step: int) -> None:
        """Have the backends go on in the run of a checkpoint, saved after so many iterations.

        Where the folder of its logs is not beside this run's, the backends begin a run of their own.
        """
        run, rows = state.get("run"), state.get("rows")
        if self._save_dir is None or not is_run(run) or not isinstance(rows, Mapping):
            return
        home = self._save_dir.parent / run
        if not home.is_dir():
            return
        self._run = run
        for name in self._rows.keys() & rows.keys():
            backend = self._vis_backends[name]
            own = Path(backend.save_dir) != self._save_dir / _DATA
            place = RunPlace(
                run, backend.save_dir if own else str(home / _DATA), int(rows[name]), step
            )
            self._rows[name] = place.rows - self._given
            if is_main_process():
                self._writer.put(partial(self._guarded[name].call, "resume", place))

    @master_only
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config of the run; raise what is a mistake, such as a library that lacks."""
        self._ask("add_config", config, **kwargs)

    @master_only
    def add_graph(self, model: nn.Module, data_batch: Any, **kwargs: Any) -> None:
        """Record the structure of the model; raise what is a mistake."""
        self._ask("add_graph", model, data_batch, **kwargs)

    @master_only
    def add_image(self, name: str, image: npt.NDArray[Any], step: int = 0, **kwargs: Any) -> None:
        """Record a picture, an array of shape (height, width, 3), RGB, 0 to 255."""
        owned = _owned(image)
        self._give("add_image", (name, owned, step), kwargs, getattr(owned, "nbytes", 0))

    @master_only
    def add_scalar(self, name: str, value: float | Tensor, step: int = 0, **kwargs: Any) -> None:
        """Record a scalar, a number or a tensor of one element."""
        self._given += 1
        self._give("add_scalar", (name, _owned(value), step), kwargs)

    @master_only
    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Record several scalars of one step; ``file_path`` is another file that takes them."""
        self._given += 1
        self._give("add_scalars", (_owned(scalar_dict), step, file_path), kwargs)

    def add_datasample(
        self,
        name: str,
        image: npt.NDArray[Any],
        data_sample: Any = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: int = 0,
        step: int = 0,
    ) -> None:
        """Draw a sample: nothing, unless a class for its kind of data says how.

        Parameters
        ----------
        name : str
            What the picture is called.
        image : array
            (H, W, 3).
        data_sample : BaseDataElement, optional
            What is true, and what is predicted.
        draw_gt, draw_pred : bool
            Which of both to draw.
        show : bool
            Whether to open a window with it, for ``wait_time`` seconds; 0 for until a key.
        step : int
            When it was drawn.
        """

    def get_backend(self, name: str) -> BaseVisBackend:
        """Return a backend by its name, which is that of its type if no other was given.

        It has all that it was to be given so far.

        Raises
        ------
        KeyError
            If there is none of that name; the message lists those there are.
        """
        if name not in self._vis_backends:
            known = ", ".join(self._vis_backends) or "none"
            raise KeyError(f"there is no visualisation backend {name!r}; there are: {known}")
        self.flush()
        return self._vis_backends[name]

    def flush(self, patience: float | None = None) -> bool:
        """Wait until the backends have all that they were to be given; tell whether they have.

        Parameters
        ----------
        patience : float, optional
            The seconds that one call of a backend may take; by default as long as it does.
        """
        return self._writer.flush(patience)

    def close(self) -> None:
        """Close all backends and forget the instance; closing twice does nothing."""
        for guarded in self._guarded.values():
            self._writer.put(guarded.close)
        self.flush()
        self.forget_instance()

    def _give(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], size: int = 0
    ) -> None:
        """Have the backends called, with what nobody else changes and holds so many bytes."""
        if self._guarded:
            self._writer.put(partial(self._call, method, args, _owned(kwargs)), size)

    def _call(self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for guarded in self._guarded.values():
            guarded.call(method, *args, **kwargs)

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Have the backends called, wait until they are, and raise what is a mistake."""
        errors: list[Exception | None] = []

        def call() -> None:
            errors.extend(g.call(method, *args, **kwargs) for g in self._guarded.values())

        if self._guarded:
            self._writer.put(call)
            self.flush()
        for error in errors:
            if isinstance(error, MISTAKES):
                raise error


_PLAIN = frozenset((float, int, str, bool, type(None)))


def _owned(value: Any) -> Any:
    """Return a value that nobody else can change, on the host."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {k: v if type(v) in _PLAIN else _owned(v) for k, v in value.items()}
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return [_owned(item) for item in value]
    return value
