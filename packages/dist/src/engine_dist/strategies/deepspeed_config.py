"""The configuration that DeepSpeed's engine is made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

__all__ = ["NEVER", "config_of", "refuse_misfit", "stage_of"]

#: after how many steps DeepSpeed prints where it is, unless it is told otherwise
NEVER = 10_000_000_000_000

# What the engine has of its own and torch's optimizers need not: kernels of DeepSpeed's that are
# compiled at first use, for minutes. Weights in 16 bit of all ranks are gathered for an export.
# Its own default clips at a norm of 1, whether that was asked for or not.
_DEFAULTS: dict[str, Any] = {"gradient_clipping": 0.0, "zero_force_ds_cpu_optimizer": False}
_ZERO3_DEFAULTS: dict[str, Any] = {"stage3_gather_16bit_weights_on_model_save": True}


def config_of(
    config: str | Path | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a configuration for the engine.

    Parameters
    ----------
    config : str, Path or Mapping, optional
        All of it, or the path of a JSON file with it.
    given : Mapping
        Entries that go over it; None for what was not given.

    Raises
    ------
    ValueError
        If the file cannot be read, something is given twice with two values, or nothing would come of it.
    """
    made = _read(config)
    for name, value in given.items():
        if value is None:
            continue
        if name in made and made[name] != value:
            raise ValueError(
                f"{name} is {made[name]!r} in DeepSpeed's config and {value!r} beside it: give it once"
            )
        made[name] = deepcopy(value)
    for name, value in _DEFAULTS.items():
        made.setdefault(name, value)
    if not {"train_batch_size", "train_micro_batch_size_per_gpu"} & set(made):
        made["train_micro_batch_size_per_gpu"] = 1  # it counts samples by it, and nothing else
    made.setdefault("gradient_accumulation_steps", 1)
    made.setdefault("steps_per_print", NEVER)
    _refuse_idle_offload(made)
    if stage_of(made) == 3:
        made["zero_optimization"] = {**_ZERO3_DEFAULTS, **made["zero_optimization"]}
    return made


def stage_of(config: Mapping[str, Any]) -> int:
    """Return the stage of ZeRO in a configuration: 0 where nothing is split."""
    return int((config.get("zero_optimization") or {}).get("stage", 0))


def _refuse_idle_offload(config: Mapping[str, Any]) -> None:
    """Raise for offloading that the engine would pass over without a word."""
    zero = config.get("zero_optimization") or {}
    offloaded = [name for name in ("offload_optimizer", "offload_param") if _is_on(zero.get(name))]
    if offloaded and stage_of(config) == 0:
        raise ValueError(
            f"zero_optimization has {' and '.join(offloaded)}, and stage 0, which splits nothing: the "
            "engine offloads what it splits, so give it a stage from 1 to 3"
        )


def _is_on(offload: Any) -> bool:
    return bool(offload) and str(offload.get("device", "none")) != "none"


def _read(config: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return deepcopy(dict(config))
    try:
        read = json.loads(Path(config).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"DeepSpeed's config {config} cannot be read: {error}; give a JSON file, or a dict"
        ) from error
    if not isinstance(read, dict):
        raise ValueError(f"DeepSpeed's config {config} must hold an object, got {read!r:.80}")
    return read


def refuse_misfit(wrapper: Any, config: dict[str, Any]) -> None:
    """Raise where an optimizer wrapper does not drive an engine, or does itself what that does.

    Raises
    ------
    TypeError
        If it drives its optimizer itself.
    ValueError
        If its optimizer looks at whole parameters, of which the engine shows it flat pieces.
    """
    if not (hasattr(wrapper, "optimizer") and hasattr(type(wrapper), "model")):
        raise TypeError(
            f"DeepSpeed's engine accumulates, clips and steps by itself, but {type(wrapper).__name__} "
            "does so too; give optim_wrapper type='DeepSpeedOptimWrapper' and no more than its "
            "optimizer, and to DeepSpeedStrategy gradient_accumulation_steps (for "
            "accumulative_counts) and gradient_clipping (for clip_grad)"
        )
    kind = type(wrapper.optimizer)
    known = kind.__module__.startswith("torch.optim") and kind.__name__ in _ELEMENTWISE
    if known:
        config.setdefault("zero_allow_untested_optimizer", True)
    elif stage_of(config) and not config.get("zero_allow_untested_optimizer", False):
        raise ValueError(
            f"ZeRO cuts parameters into flat pieces, and whether {kind.__name__} minds that is not "
            f"known; known are torch's {', '.join(sorted(_ELEMENTWISE))}. If it treats every element by "
            "itself, give DeepSpeedStrategy zero_allow_untested_optimizer=True; if it looks at "
            "shapes or norms of parameters, use DDPStrategy or zero_optimization=dict(stage=0)"
        )


# of torch's optimizers those that treat every element by itself
_ELEMENTWISE = {
    "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop",
    "SGD",
}  # fmt: skip
