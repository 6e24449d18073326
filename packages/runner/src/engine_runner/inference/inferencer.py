"""Base of what predicts: prepare, forward, visualise, post-process."""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from engine_config import Config
from engine_dataset import pseudo_collate
from engine_dataset.collate import as_function
from engine_dist import get_device
from engine_dist.checkpoint import load_checkpoint_file
from engine_registry import VISUALIZERS, DefaultScope, init_default_scope
from engine_runner.inference.inputs import as_list, as_stream, in_chunks
from engine_runner.inference.loading import build_model, config_in, load_weights
from engine_runner.inference.packages import model_by_name, model_names
from engine_runner.logging import print_log
from engine_runner.utils import track_iter_progress

__all__ = ["BaseInferencer"]

ModelType = str | os.PathLike[str] | Mapping[str, Any] | Config
_STEPS = ("preprocess", "forward", "visualize", "postprocess")


class BaseInferencer(ABC):
    """Predicts for inputs by a trained model: one call for all, or `stream` chunk by chunk.

    A subclass says how an input is read (`_init_pipeline`), shown (`visualize`) and handed back
    (`postprocess`), and names in ``preprocess_kwargs``, ``forward_kwargs``, ``visualize_kwargs``
    and ``postprocess_kwargs`` which arguments of a call go where.

    Parameters
    ----------
    model : str, dict or Config, optional
        A configuration or its file, or the name of a model in the package of ``scope``. Without
        one it is the configuration that the checkpoint holds.
    weights : str, optional
        A checkpoint, as `engine_dist.checkpoint.load_checkpoint` takes it; for a model by name it
        is the one that its package tells of.
    device : str, optional
        Where to compute; by default on the accelerator there is.
    scope : str, optional
        Whose registered components names mean first; by default the current scope's.
    show_progress : bool
        Show how far a call is.

    Raises
    ------
    TypeError, ValueError
        If there is no model in what is given.
    """

    preprocess_kwargs: set[str] = set()  # noqa: RUF012  # subclasses give their own, as in MMEngine
    forward_kwargs: set[str] = set()  # noqa: RUF012
    visualize_kwargs: set[str] = set()  # noqa: RUF012
    postprocess_kwargs: set[str] = set()  # noqa: RUF012

    _taken: ClassVar[int] = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = [name for step in _STEPS for name in getattr(cls, f"{step}_kwargs")]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TypeError(
                f"{cls.__name__} names {', '.join(twice)} for more than one of "
                f"{', '.join(f'{step}_kwargs' for step in _STEPS)}; an argument of a call goes to "
                "one step"
            )

    def __init__(
        self,
        model: ModelType | None = None,
        weights: str | None = None,
        device: str | None = None,
        scope: str | None = None,
        show_progress: bool = True,
    ) -> None:
        if scope is None:
            current = DefaultScope.get_current_instance()
            scope = "mmengine" if current is None else current.scope_name
        self.scope = scope
        init_default_scope(scope)
        cfg, weights = self._configuration(model, weights)
        # a model of the engine: it has its steps
        self.model: Any = self._init_model(cfg, weights, device or get_device())
        self.pipeline = self._init_pipeline(cfg)
        self.collate_fn = self._init_collate(cfg)
        self.visualizer = self._init_visualizer(cfg)
        self.cfg = cfg
        self.show_progress = show_progress

    def _configuration(
        self, model: ModelType | None, weights: str | None
    ) -> tuple[Config, str | None]:
        if model is None:
            if weights is None:
                raise ValueError(
                    "model or weights is needed: a configuration, the file of one, the name of a "
                    "model, or a checkpoint that holds its configuration"
                )
            return config_in(load_checkpoint_file(weights), weights), weights
        if isinstance(model, Config):
            return copy.deepcopy(model), weights
        if isinstance(model, Mapping):
            return Config(copy.deepcopy(dict(model))), weights
        if not isinstance(model, (str, os.PathLike)):
            raise TypeError(
                "model is a configuration, the file of one, or the name of a model, got a "
                f"{type(model).__name__}"
            )
        if os.path.isfile(model):
            return Config.fromfile(model), weights
        cfg, told = self._load_model_from_metafile(str(model))
        return cfg, weights or told

    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> Any:
        """Predict for all inputs.

        Parameters
        ----------
        inputs : Any
            One, a list or tuple of them, a folder whose files are meant, or an iterator.
        return_datasamples : bool
            Hand back the model's data elements, where `postprocess` makes something else of them.
        batch_size : int
            How many go through the model at once.
        **kwargs
            What subclasses name in ``preprocess_kwargs``, …

        Returns
        -------
        Any
            What `postprocess` makes of it.

        Raises
        ------
        ValueError
            If an argument is none that a step takes.
        """
        options = self._dispatch_kwargs(**kwargs)
        everything = self._inputs_to_list(inputs)
        return self._predict(everything, return_datasamples, batch_size, *options)

    def stream(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Predict chunk by chunk, and hold one chunk in memory: for what has no end.

        Yields
        ------
        Any
            What a call gives for ``batch_size`` of the inputs; the arguments are a call's.
        """
        options = self._dispatch_kwargs(**kwargs)
        for chunk in in_chunks(as_stream(inputs), batch_size):
            yield self._predict(chunk, return_datasamples, batch_size, *options, silent=True)

    def _predict(
        self,
        inputs: list[Any],
        return_datasamples: bool,
        batch_size: int,
        preprocess: dict[str, Any],
        forward: dict[str, Any],
        visualize: dict[str, Any],
        postprocess: dict[str, Any],
        silent: bool = False,
    ) -> Any:
        batches = self.preprocess(inputs, batch_size=batch_size, **preprocess)
        if self.show_progress and not silent:
            total = -(-len(inputs) // batch_size)
            batches = track_iter_progress((batches, total))
        preds: list[Any] = []
        for batch in batches:
            preds.extend(self.forward(batch, **forward))
        shown = self.visualize(inputs, preds, **visualize)
        return self.postprocess(preds, shown, return_datasamples, **postprocess)

    def preprocess(self, inputs: list[Any], batch_size: int = 1, **kwargs: Any) -> Iterable[Any]:
        """Read the inputs by the pipeline and collate them, a batch when it is asked for."""
        chunks = self._get_chunk_data(map(self.pipeline, inputs), batch_size)
        return map(self.collate_fn, chunks)

    @torch.no_grad()
    def forward(self, inputs: Any, **kwargs: Any) -> Any:
        """Return the model's predictions for a batch."""
        return self.model.test_step(inputs)

    @abstractmethod
    def visualize(
        self, inputs: list[Any], preds: Any, show: bool = False, **kwargs: Any
    ) -> list[Any] | None:
        """Draw predictions; return the pictures, or None.

        Parameters
        ----------
        inputs : list
            As given to the call.
        preds : Any
            What `forward` gave for each.
        show : bool
            Show them in a window.
        **kwargs
            As named in ``visualize_kwargs``.
        """

    @abstractmethod
    def postprocess(
        self,
        preds: Any,
        visualization: list[Any] | None,
        return_datasample: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return what a call is to return.

        Parameters
        ----------
        preds : Any
            What `forward` gave for each input.
        visualization : list, optional
            What `visualize` gave.
        return_datasample : bool
            Whether data elements are asked for.
        **kwargs
            As named in ``postprocess_kwargs``.
        """

    @abstractmethod
    def _init_pipeline(self, cfg: Config) -> Callable[[Any], Any]:
        """Return what makes a sample of an input."""

    @staticmethod
    def list_models(scope: str | None = None, patterns: str = r".*") -> list[str]:
        """Return the names of the models that a package tells of.

        Parameters
        ----------
        scope : str, optional
            The package; by default that of the current scope.
        patterns : str
            A regular expression that is found in the names that are meant.
        """
        return model_names(scope, patterns)

    def _inputs_to_list(self, inputs: Any) -> list[Any]:
        return as_list(inputs)

    def _get_chunk_data(self, inputs: Iterable[Any], chunk_size: int) -> Iterator[list[Any]]:
        return in_chunks(inputs, chunk_size)

    def _load_model_from_metafile(self, model: str) -> tuple[Config, str]:
        return model_by_name(model, self.scope)

    def _init_model(self, cfg: Config, weights: str | None, device: str = "cpu") -> nn.Module:
        """Build the model, with weights, where it computes, in eval mode."""
        checkpoint = load_checkpoint_file(weights) if weights else None
        if checkpoint is None:
            print_log(
                "no checkpoint is loaded: what is predicted comes of random weights; give weights",
                logger="current",
                level=30,
            )
        model = build_model(cfg)
        self._load_weights_to_model(model, checkpoint, cfg)
        return model.to(device).eval()

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: dict[str, Any] | None, cfg: Config | None
    ) -> None:
        """Put weights into the model, and what the data set says of itself beside them."""
        if checkpoint is not None:
            load_weights(model, checkpoint)

    def _init_collate(self, cfg: Config) -> Callable[[list[Any]], Any]:
        """Return what makes a batch of samples: that of the test loader, or `pseudo_collate`."""
        settings = cfg.get("test_dataloader", {}).get("collate_fn")
        return as_function(settings) or pseudo_collate

    def _init_visualizer(self, cfg: Config) -> Any:
        """Return the visualizer of the configuration, under a name of its own; None without one."""
        if cfg.get("visualizer") is None:
            return None
        BaseInferencer._taken += 1
        settings = {**cfg.visualizer, "name": f"inferencer{BaseInferencer._taken}"}
        return VISUALIZERS.build(settings)

    def _dispatch_kwargs(
        self, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Sort the arguments of a call by the step that takes them."""
        named = {step: getattr(self, f"{step}_kwargs") for step in _STEPS}
        unknown = sorted(set(kwargs).difference(*named.values()))
        if unknown:
            said = "; ".join(
                f"{step}: {', '.join(sorted(n)) or 'none'}" for step, n in named.items()
            )
            raise ValueError(
                f"unknown argument {', '.join(unknown)} for {type(self).__name__}, which takes {said}"
            )
        first, second, third, fourth = (
            {name: value for name, value in kwargs.items() if name in named[step]}
            for step in _STEPS
        )
        return first, second, third, fourth
