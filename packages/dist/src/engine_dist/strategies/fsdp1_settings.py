"""What is asked of FSDP1, and what of a configuration for FSDP asks for it alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_dist.capabilities import CapabilityError, refusal
from engine_dist.strategies.choosing import Choice
from engine_dist.strategies.fsdp_settings import choice_of, refuse_other_wrapper, wrap_of

__all__ = ["alone_in_fsdp1", "flat_settings_of", "items_of", "whole_states_of"]

_SHARDINGS = ("FULL_SHARD", "SHARD_GRAD_OP", "NO_SHARD")
# settings of the wrapper that FSDP2 has nothing like, and what it always does
_ALONE: Mapping[str, Any] = {
    "backward_prefetch": "BACKWARD_PRE", "forward_prefetch": False, "limit_all_gathers": True,
    "param_init_fn": None, "ignored_modules": None, "ignored_states": None,
}  # fmt: skip
_ALONE_OF_PRECISION: Mapping[str, Any] = {
    "buffer_dtype": None, "keep_low_precision_grads": False, "cast_root_forward_inputs": True,
}  # fmt: skip
_BOTH_HAVE = {
    "model_wrapper", "skip_init_weights", "state_dict_cfg", "activation_checkpointing", "wrap",
    "mixed_precision", "device", "work_dir", "experiment_name", "env_kwargs", "log_kwargs",
    "auto_scale_lr",
}  # fmt: skip


def alone_in_fsdp1(settings: Mapping[str, Any]) -> list[str]:
    """Return what of a strategy's settings FSDP1 alone has; nothing where it could not follow all.

    Parameters
    ----------
    settings : Mapping
        Arguments of `FSDPStrategy`.
    """
    wrapper = settings.get("model_wrapper")
    if not isinstance(wrapper, Mapping) or set(settings) - _BOTH_HAVE:
        return []
    could = (
        _name(wrapper.get("sharding_strategy")) in (None, *_SHARDINGS)
        and not _offloads(wrapper)
        and wrapper.get("use_orig_params") is not False
        and wrapper.get("process_group") is None
    )
    precision = wrapper.get("mixed_precision")
    of_precision = items_of(precision)
    found = [name for name, own in _ALONE.items() if _differs(wrapper.get(name), own)]
    found += [
        f"mixed_precision.{name}"
        for name, own in _ALONE_OF_PRECISION.items()
        if _differs(of_precision.get(name), own)
    ]
    return found if could else []


def flat_settings_of(wrapper: Mapping[str, Any], wrap: Any) -> tuple[str, Choice, dict[str, Any]]:
    """Return how FSDP1 splits, which modules by themselves, and its other settings.

    Parameters
    ----------
    wrapper : Mapping
        MMEngine's ``model_wrapper``.
    wrap
        Modules, where the wrapper's ``auto_wrap_policy`` does not say which.

    Raises
    ------
    CapabilityError
        If FSDP1 cannot do what is asked for, or not rightly; it is said what can.
    ValueError
        If a setting is none of those that it can be.
    """
    settings = refuse_other_wrapper(dict(wrapper))
    sharding = _name(settings.pop("sharding_strategy", None)) or _SHARDINGS[0]
    if "HYBRID" in sharding:
        raise CapabilityError(
            f"sharding_strategy={sharding!r}: by FSDP1 replicas drift apart, and nothing says so; "
            "FSDPStrategy(replicas=…) does it by FSDP2"
        )
    if sharding not in _SHARDINGS:
        raise ValueError(f"sharding_strategy is one of {', '.join(_SHARDINGS)}, got {sharding!r}")
    if _offloads(settings):
        raise CapabilityError(refusal("FSDP1Strategy", "offload"))
    settings.pop("cpu_offload", None)
    if settings.pop("use_orig_params", True) is False:
        raise CapabilityError(
            "use_orig_params=False: an optimizer would see one parameter a part, and neither groups "
            "of parameters nor a checkpoint that others read come of it; leave it out"
        )
    if settings.pop("process_group", None) is not None:
        raise CapabilityError(
            "process_group: FSDP1Strategy splits over all processes; FSDPStrategy(replicas=…) over "
            "some of them"
        )
    settings.pop("sync_module_states", None)  # the main process' values are everyone's anyway
    policy = settings.pop("auto_wrap_policy", None)
    if policy is not None and wrap is not None:
        raise ValueError("wrap and model_wrapper's auto_wrap_policy: give one of them")
    chosen = choice_of("wrap", wrap) if policy is None else choice_of("wrap", wrap_of(policy))
    return sharding, chosen, settings


def whole_states_of(form: Any) -> bool:
    """Return whether ``state_dict_cfg`` asks for whole states rather than split ones.

    Raises
    ------
    CapabilityError
        If it asks for those that only the same processes could go on from.
    ValueError
        If it is none of those that it can be.
    """
    kind = form.get("state_dict_type") if isinstance(form, Mapping) else form
    name = str(_name(kind)).upper().removesuffix("_STATE_DICT")
    if name == "LOCAL":
        raise CapabilityError(
            f"state_dict_cfg={form!r}: torch has no local states where use_orig_params is set; "
            "'sharded', the default, writes as little by each process, and any number of them "
            "goes on from it"
        )
    if name not in ("FULL", "SHARDED"):
        raise ValueError(
            f"state_dict_cfg is 'full', 'sharded', or a dict with a state_dict_type, got {form!r}"
        )
    return name == "FULL"


def _offloads(wrapper: Mapping[str, Any]) -> bool:
    asked = wrapper.get("cpu_offload")
    asked = asked.get("offload_params", False) if isinstance(asked, Mapping) else asked
    return bool(getattr(asked, "offload_params", asked))


def items_of(value: Any) -> Mapping[str, Any]:
    """Return the settings of a dict, or of one of torch's classes."""
    held: Mapping[str, Any] = value if isinstance(value, Mapping) else vars(value) if value else {}
    return held


def _differs(value: Any, own: Any) -> bool:
    return value is not None and value is not own and _name(value) != own


def _name(value: Any) -> Any:
    """Return the name of a member of an enumeration, or of one that is given so."""
    name = getattr(value, "name", value)
    return name.rsplit(".", 1)[-1] if isinstance(name, str) else name
