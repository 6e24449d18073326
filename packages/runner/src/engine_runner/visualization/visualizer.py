"""One call for every place that takes the config and the scalars of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from engine_config import Config
from engine_registry import VISBACKENDS, VISUALIZERS, ManagerMixin, build_as
from engine_runner.logging.instances import forget

from .backends import BaseVisBackend


@VISUALIZERS.register_module()
class Visualizer(ManagerMixin):
    """Hands the config and the scalars of a run to several backends.

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
        self._vis_backends: dict[str, BaseVisBackend] = {}
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
        folder = {} if save_dir is None else {"save_dir": str(Path(save_dir) / "vis_data")}
        backend = build_as(VISBACKENDS, value, BaseVisBackend, **folder)
        name = name or type(backend).__name__
        if name in self._vis_backends:
            raise ValueError(
                f"two visualisation backends are called {name!r}: give one another name, "
                f"as in dict(type={name!r}, name='second')"
            )
        self._vis_backends[name] = backend

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config of the run."""
        for backend in self._vis_backends.values():
            backend.add_config(config, **kwargs)

    def add_graph(self, model: nn.Module, data_batch: Any, **kwargs: Any) -> None:
        """Record the structure of the model."""
        for backend in self._vis_backends.values():
            backend.add_graph(model, data_batch, **kwargs)

    def add_scalar(self, name: str, value: float | Tensor, step: int = 0, **kwargs: Any) -> None:
        """Record a scalar, a number or a tensor of one element."""
        for backend in self._vis_backends.values():
            backend.add_scalar(name, value, step, **kwargs)

    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Record several scalars of one step; ``file_path`` is another file that takes them."""
        for backend in self._vis_backends.values():
            backend.add_scalars(scalar_dict, step, file_path, **kwargs)

    def get_backend(self, name: str) -> BaseVisBackend:
        """Return a backend by its name, which is that of its type if no other was given.

        Raises
        ------
        KeyError
            If there is none of that name; the message lists those there are.
        """
        if name not in self._vis_backends:
            known = ", ".join(self._vis_backends) or "none"
            raise KeyError(f"there is no visualisation backend {name!r}; there are: {known}")
        return self._vis_backends[name]

    def close(self) -> None:
        """Close all backends and forget the instance; closing twice does nothing."""
        for backend in self._vis_backends.values():
            backend.close()
        forget(self)
