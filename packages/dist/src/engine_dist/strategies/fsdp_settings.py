"""MMEngine's settings of FSDP1, as far as FSDP2 has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from engine_dist.named_functions import function_of
from engine_dist.ranks import get_local_size, get_world_size
from engine_dist.strategies.choosing import Choice

__all__ = ["choice_of", "recomputed_of", "refuse_other_wrapper", "settings_of", "wrap_of"]

logger = logging.getLogger("engine.dist")

_WRAPPERS = ("MMFullyShardedDataParallel", "FullyShardedDataParallel")
_STATE_FORMS = ("local", "full", "sharded")
# what FSDP2 always does, or has no need of
_ANYWAY = {
    "use_orig_params": True, "sync_module_states": True, "limit_all_gathers": True,
    "backward_prefetch": "BACKWARD_PRE", "forward_prefetch": False,
}  # fmt: skip


def settings_of(
    given: Mapping[str, Any], wrapper: Mapping[str, Any] | None, state_form: Any
) -> dict[str, Any]:
    """Return the settings of FSDP2, those that MMEngine's wrapper sets among them.

    Parameters
    ----------
    given : Mapping
        Those of this package; None where the wrapper's, or the default, is to hold.
    wrapper : Mapping, optional
        MMEngine's ``model_wrapper``.
    state_form : str or Mapping
        MMEngine's ``state_dict_cfg``.

    Raises
    ------
    ValueError
        If a setting is none of those that it can be, or is given in both ways.
    """
    mapped = _mapped(dict(wrapper or {}))
    twice = [name for name in mapped if given.get(name) not in (None, False)]
    if twice:
        raise ValueError(f"{', '.join(twice)}: given in model_wrapper, too; give it once")
    _check_state_form(state_form)
    made = {name: mapped.get(name, value) for name, value in given.items()}
    made["replicas"] = 1 if made["replicas"] is None else made["replicas"]
    return made


def choice_of(name: str, value: Any) -> Choice:
    """Return a choice of modules from one, or from a dict of its arguments.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None:
        return Choice()
    if isinstance(value, Choice):
        return value
    allowed = ("classes", "names", "min_params")
    if not isinstance(value, Mapping) or set(value) - set(allowed):
        raise ValueError(f"{name} is a dict of {', '.join(allowed)}, got {value!r}")
    one: dict[str, Any] = {
        key: (item,) if key != "min_params" and isinstance(item, (str, type)) else item
        for key, item in value.items()
    }
    return Choice(**one)


def recomputed_of(value: Mapping[str, Any]) -> Choice:
    """Return the modules that ``activation_checkpointing`` names, or MMEngine's ``check_fn`` chooses.

    Raises
    ------
    ValueError
        If it does neither.
    """
    if "check_fn" not in value:
        return choice_of("activation_checkpointing", value)
    left = {f"activation_checkpointing.{key}": item for key, item in value.items()}
    check: Any = function_of("check_fn", left.pop("activation_checkpointing.check_fn"))
    _tell_of_left(left)
    return Choice(where=check)


def _check_state_form(form: Any) -> None:
    name = form if isinstance(form, str) else None
    if name not in _STATE_FORMS and not isinstance(form, Mapping):
        raise ValueError(
            f"state_dict_cfg is one of {', '.join(_STATE_FORMS)} or a dict, got {form!r}"
        )
    if isinstance(form, Mapping):
        logger.warning(
            "FSDPStrategy(state_dict_cfg=%r): FSDP1's settings of states are without effect; a "
            "checkpoint holds the whole state", dict(form),
        )  # fmt: skip


def refuse_other_wrapper(wrapper: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of FSDP1's wrapper without their type.

    Raises
    ------
    ValueError
        If that is another.
    """
    kind = wrapper.pop("type", _WRAPPERS[0])
    if str(getattr(kind, "__name__", kind)).rsplit(".", 1)[-1] not in _WRAPPERS:
        raise ValueError(f"model_wrapper is of the type {_WRAPPERS[0]}, got {kind!r}")
    return wrapper


def _mapped(wrapper: dict[str, Any]) -> dict[str, Any]:
    wrapper = refuse_other_wrapper(wrapper)
    made: dict[str, Any] = {}
    for name, read in _READ.items():
        value = wrapper.pop(name, None)
        if value is not None:
            made |= read(value)
    left = {name: value for name, value in wrapper.items() if _ANYWAY.get(name) != value}
    _tell_of_left({name: value for name, value in left.items() if value is not None})
    return made


def _tell_of_left(left: Mapping[str, Any]) -> None:
    if left:
        logger.warning(
            "FSDPStrategy: FSDP1 alone has %s; without effect on FSDP2",
            ", ".join(f"{name}={value!r}" for name, value in left.items()),
        )


def _wrap(policy: Any) -> dict[str, Any]:
    return {"wrap": wrap_of(policy)}


def wrap_of(policy: Any) -> Any:
    """Return which modules one of FSDP1's policies gathers one by one, as ``wrap`` says it.

    Raises
    ------
    ValueError
        If it is none.
    """
    settings = dict(policy) if isinstance(policy, Mapping) else {"type": policy}
    while isinstance(settings.get("type"), partial):  # as configurations in Python have it
        inner = settings.pop("type")
        settings = {"type": inner.func, **inner.keywords, **settings}
    kind = str(getattr(settings.get("type"), "__name__", settings.get("type"))).rsplit(".", 1)[-1]
    if kind == "size_based_auto_wrap_policy":
        return {"min_params": int(settings.get("min_num_params", 1e8))}
    for name, key in _BY_CLASS.items():
        if kind == name and key in settings:
            classes = settings[key]
            one = isinstance(classes, (str, type))
            return {"classes": [classes] if one else list(classes)}
    asked = function_of("auto_wrap_policy", settings)

    def where(module: nn.Module) -> object:
        """Ask a function of FSDP1's kind whether a module is gathered by itself."""
        size = sum(param.numel() for param in module.parameters())
        return asked(module=module, recurse=False, nonwrapped_numel=size)

    return Choice(where=where)


_BY_CLASS = {
    "transformer_auto_wrap_policy": "transformer_layer_cls",
    "ModuleWrapPolicy": "module_classes",
}


def _sharding(value: Any) -> dict[str, Any]:
    name = str(getattr(value, "name", value)).rsplit(".", 1)[-1]
    nodes = max(get_world_size() // max(get_local_size(), 1), 1)
    known: dict[str, dict[str, Any]] = {
        "FULL_SHARD": {"reshard_after_forward": True},
        "SHARD_GRAD_OP": {"reshard_after_forward": False},
        "NO_SHARD": {"replicas": get_world_size()},
        "HYBRID_SHARD": {"reshard_after_forward": True, "replicas": nodes},
        "_HYBRID_SHARD_ZERO2": {"reshard_after_forward": False, "replicas": nodes},
    }
    if name not in known:
        raise ValueError(f"sharding_strategy is one of {', '.join(known)}, got {value!r}")
    return known[name]


def _offload(value: Any) -> dict[str, Any]:
    asked = value.get("offload_params", False) if isinstance(value, Mapping) else value
    return {"cpu_offload": bool(getattr(asked, "offload_params", asked))}


def _precision(value: Any) -> dict[str, Any]:
    settings = dict(value if isinstance(value, Mapping) else vars(value))
    settings.pop("type", None)
    kept = ("param_dtype", "reduce_dtype", "cast_forward_inputs")
    _tell_of_left(
        {
            f"mixed_precision.{name}": item
            for name, item in settings.items()
            if name not in kept and item
        }
    )
    return {"mixed_precision": {name: settings[name] for name in kept if name in settings}}


_READ: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "auto_wrap_policy": _wrap,
    "sharding_strategy": _sharding,
    "cpu_offload": _offload,
    "mixed_precision": _precision,
}
