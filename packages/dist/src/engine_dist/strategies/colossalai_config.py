"""What `ColossalAIStrategy` is told of its plug-in, in all the forms that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_config.fileio import load
from engine_dist.colossalai_library import ColossalAI

__all__ = ["PluginChoice", "choice_of_plugin", "launch_arguments", "refuse_misfit"]

# MMEngine's short names, and what it gives each
_SHORT: dict[str, dict[str, Any]] = {
    "gemini": {"type": "GeminiPlugin", "precision": "bf16", "placement_policy": "auto"},
    "lowlevel-zero": {"type": "LowLevelZeroPlugin"},
}
_KINDS = ("GeminiPlugin", "LowLevelZeroPlugin", "TorchDDPPlugin")


@dataclass(frozen=True)
class PluginChoice:
    """One of the library's plug-ins, and its arguments or the plug-in itself.

    Attributes
    ----------
    kind : str
        ``GeminiPlugin``, ``LowLevelZeroPlugin`` or ``TorchDDPPlugin``; empty of one that is made.
    settings : Mapping
        Its arguments.
    made : Plugin, optional
        The plug-in itself.
    """

    kind: str
    settings: Mapping[str, Any]
    made: Any = None

    def make(self, library: ColossalAI, clip: Any) -> tuple[str, Any]:
        """Return which plug-in it is, and the plug-in, told of the norm to clip to.

        Parameters
        ----------
        library : ColossalAI
            It has the classes.
        clip : Clip, optional
            What the optimizer wrapper is to clip by.

        Raises
        ------
        TypeError, ValueError
            If it is none of those that are driven, or cannot be told of the clipping.
        """
        if self.made is not None:
            kinds = [kind for kind, own in library.plugins.items() if isinstance(self.made, own)]
            if not kinds:
                raise TypeError(
                    f"plugin must be one of {', '.join(_KINDS)}, got {type(self.made).__name__}; "
                    "others train in another way than by a forward and a backward pass"
                )
            if clip is not None and kinds[0] != "TorchDDPPlugin":
                raise ValueError(
                    f"{kinds[0]} clips by itself, and this one is made already: give it max_norm "
                    "instead of clip_grad to the optimizer wrapper, or give plugin=dict(type=…)"
                )
            return kinds[0], self.made
        settings = dict(self.settings)
        if clip is not None and self.kind != "TorchDDPPlugin":
            settings["max_norm"] = _norm_of(clip, self.kind, settings)
        return self.kind, library.plugins[self.kind](**settings)


def choice_of_plugin(plugin: Any) -> PluginChoice:
    """Return the plug-in that a setting names: a short name, a dict with ``type``, or one itself.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if isinstance(plugin, str):
        if plugin not in _SHORT:
            raise ValueError(
                f"plugin must be {' or '.join(map(repr, _SHORT))}, or a dict with the type "
                f"{', '.join(_KINDS)} and its arguments, got {plugin!r}"
            )
        plugin = _SHORT[plugin]
    if not isinstance(plugin, Mapping):
        return PluginChoice("", {}, plugin)
    settings = dict(plugin)
    kind = settings.pop("type", None)
    name = str(getattr(kind, "__name__", kind)).rpartition(".")[2].partition("_ZeRO")[0]
    if name not in _KINDS:
        raise ValueError(f"plugin.type must be one of {', '.join(_KINDS)}, got {kind!r}")
    return PluginChoice(name, settings)


def launch_arguments(config: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of ``colossalai.launch_from_torch``, from a file of them, too.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds no mapping.
    """
    if config is None or isinstance(config, Mapping):
        return dict(config or {})
    try:
        read = load(config)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"ColossalAI's config {config} cannot be read: {error}; give a dict, or a JSON or "
            "YAML file of arguments of colossalai.launch_from_torch (seed, verbose)"
        ) from error
    if not isinstance(read, Mapping):
        raise ValueError(f"ColossalAI's config {config} must hold a mapping, got {read!r:.80}")
    return dict(read)


def refuse_misfit(wrapper: Any) -> None:
    """Raise where an optimizer wrapper does not drive a booster.

    Raises
    ------
    TypeError
    """
    if not (hasattr(wrapper, "booster") and callable(getattr(wrapper, "take", None))):
        raise TypeError(
            f"ColossalAI's booster computes gradients, and {type(wrapper).__name__} would do so "
            "without it; give optim_wrapper type='ColossalAIOptimWrapper', and for another "
            "precision (AmpOptimWrapper) precision to the plug-in"
        )


def _norm_of(clip: Any, kind: str, settings: Mapping[str, Any]) -> float:
    """Return the norm that a plug-in is to clip to."""
    norm_type = float(clip.kwargs.get("norm_type", 2))
    if clip.kind != "norm" or norm_type != 2:
        raise ValueError(
            f"{kind} clips by the norm of type 2 alone, got clip_grad by {clip.kind} with "
            f"{clip.kwargs}; use TorchDDPPlugin, or DDPStrategy"
        )
    norm = float(clip.kwargs["max_norm"])
    if settings.get("max_norm", norm) != norm:
        raise ValueError(
            f"gradients are to be clipped to {settings['max_norm']} by {kind} (max_norm) and to "
            f"{norm} by the optimizer wrapper (clip_grad): give it once"
        )
    return norm
