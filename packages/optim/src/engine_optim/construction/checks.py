"""What can be wrong with paramwise settings."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from engine_optim.errors import ParamGroupError

__all__ = ["check_paramwise", "warn_unknown", "warn_unmatched"]

logger = logging.getLogger("engine.optim")

_MULTIPLES = (
    "lr_mult", "decay_mult", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult",
    "flat_decay_mult", "dwconv_decay_mult", "dcn_offset_lr_mult",
)  # fmt: skip
_KEYS = (*_MULTIPLES, "bypass_duplicate", "custom_keys", "merge_groups", "skip_frozen")

CustomKeys = Mapping[str, Mapping[str, Any]]


def check_paramwise(
    cfg: Mapping[str, Any], base_lr: Any, base_wd: Any, more: tuple[str, ...] | None
) -> None:
    """Raise `ParamGroupError` that lists every fault of ``paramwise_cfg``.

    ``more`` are the keys that a constructor takes beside the known ones; None: any.
    """
    known = (*_KEYS, *(more or ()))
    faults = [
        f"unknown key {key!r}{_near(key, known)}; it takes {', '.join(known)}"
        for key in sorted(set(cfg) - set(known) if more is not None else ())
    ]
    faults += _faults(cfg, base_lr, base_wd)
    if faults:
        raise ParamGroupError(f"paramwise_cfg: {'; '.join(faults)}")


def _faults(cfg: Mapping[str, Any], base_lr: Any, base_wd: Any) -> Iterator[str]:
    custom = cfg.get("custom_keys") or {}
    if not isinstance(custom, Mapping) or not all(isinstance(v, Mapping) for v in custom.values()):
        yield f"custom_keys must be a dict of dicts, got {custom!r}"
        custom = {}
    places = {key: (key, value) for key, value in cfg.items() if key in _MULTIPLES}
    for part, settings in custom.items():
        for key, value in settings.items():
            if key in ("lr_mult", "decay_mult", "lr", "weight_decay"):
                places[f"custom_keys[{part!r}].{key}"] = (key, value)
    for place, (key, value) in places.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            yield f"{place} must be a number and not negative, got {value!r}"
        elif key.endswith("lr_mult") and base_lr is None:
            yield f"{place} multiplies the learning rate, which is not given; set optimizer.lr"
        elif key.endswith("decay_mult") and base_wd is None:
            yield (
                f"{place} multiplies the weight decay, which is not given; set "
                "optimizer.weight_decay"
            )


def warn_unmatched(custom: CustomKeys, names: list[str]) -> None:
    """Warn of custom keys that fit no parameter's name."""
    unmatched = [key for key in custom if not any(key in name for name in names)]
    if not unmatched:
        return
    parts = sorted({part for name in names for part in (name, *name.split("."))})
    for key in unmatched:
        logger.warning("custom_keys[%r] matches no parameter%s", key, _near(key, parts))


def warn_unknown(custom: CustomKeys, defaults: Mapping[str, Any]) -> None:
    """Warn of settings that the optimizer does not have, so that they would do nothing."""
    known = {*defaults, "lr_mult", "decay_mult"}
    for key, settings in custom.items():
        for name in sorted(set(settings) - known):
            logger.warning(
                "custom_keys[%r] sets %r, which the optimizer does not have%s",
                key, name, _near(name, sorted(known)),
            )  # fmt: skip


def _near(name: str, among: Any) -> str:
    near = difflib.get_close_matches(name, among, 3)
    return f" (near to it: {', '.join(near)})" if near else ""
