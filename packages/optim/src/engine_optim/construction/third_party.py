"""Optimizers of other libraries by their own names, imported when one of them is built."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from engine_registry import OPTIMIZERS

__all__ = ["LIBRARIES", "register"]

_SIZES = ("", "8bit", "32bit")


def _bitsandbytes() -> list[str]:
    paged = ["Adam", "AdamW", "AdEMAMix", "Lion"]
    bases = ["Adagrad", "LAMB", "LARS", "RMSprop", "SGD", *paged]
    names = [f"{base}{size}" for base in bases for size in _SIZES]
    return [*names, *(f"Paged{base}{size}" for base in paged for size in _SIZES), "PytorchLARS"]


# A name of several libraries is the first's that is installed, and torch's before all of them;
# the others are named by their path, such as "bitsandbytes.optim.Lion".
LIBRARIES: dict[str, tuple[str, list[str]]] = {
    "lion-pytorch": ("lion_pytorch", ["Lion"]),
    "prodigyopt": ("prodigyopt", ["Prodigy"]),
    "schedulefree": (
        "schedulefree",
        [
            "AdamWScheduleFree", "AdamWScheduleFreeClosure", "AdamWScheduleFreePaper",
            "AdamWScheduleFreeReference", "RAdamScheduleFree", "RAdamScheduleFreeClosure",
            "SGDScheduleFree", "SGDScheduleFreeClosure", "SGDScheduleFreeReference",
        ],
    ),
    "dadaptation": (
        "dadaptation",
        [
            "DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD",
        ],
    ),
    "bitsandbytes": ("bitsandbytes.optim", _bitsandbytes()),
    "colossalai": (
        "colossalai.nn.optimizer",
        [
            "CAME", "CPUAdam", "FusedAdam", "FusedLAMB", "FusedSGD", "HybridAdam", "Lamb", "Lars",
        ],
    ),
    "torchao": (
        "torchao.optim",
        [
            "Adam4bit", "Adam8bit", "AdamFp8", "AdamW4bit", "AdamW8bit", "AdamWFp8",
            "CPUOffloadOptimizer",
        ],
    ),
    "transformers": ("transformers.optimization", ["Adafactor", "AdamW"]),
}  # fmt: skip


def register() -> None:
    """Enter every name that is free; the libraries need not be there."""
    providers: dict[str, list[str]] = {}
    for library, (_, names) in LIBRARIES.items():
        for name in names:
            providers.setdefault(name, []).append(library)
    for name, libraries in providers.items():
        if name not in OPTIMIZERS.module_dict:
            OPTIMIZERS.register_module(name=name, module=_maker(name, libraries))


def _maker(name: str, libraries: list[str]) -> Callable[..., Any]:
    def make(params: Any, *args: Any, **kwargs: Any) -> Any:
        return _find(name, libraries)(params, *args, **kwargs)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"``{name}`` of {' or '.join(libraries)}."
    return make


def _find(name: str, libraries: list[str]) -> Callable[..., Any]:
    for library in libraries:
        module = LIBRARIES[library][0]
        if find_spec(module.partition(".")[0]) is None:
            continue
        found: Callable[..., Any] | None = getattr(import_module(module), name, None)
        if found is not None:
            return found
        raise ImportError(f"the installed {library} has no optimizer {name!r} in {module}")
    raise ImportError(
        f"optimizer {name!r} is of {' or '.join(libraries)}, which is not installed: "
        f"pip install {libraries[0]}"
    )
