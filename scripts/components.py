"""Write the page of what ``type=`` may name, from the registries: ``docs/components.rst``.

Usage: ``python scripts/components.py``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine_dist import MMFullyShardedDataParallel  # noqa: F401  # takes its name's place
from engine_optim.construction import third_party
from engine_registry import Registry
from engine_registry.roots import ROOTS

PAGE = Path(__file__).parent.parent / "docs" / "components.rst"

# Each root registry with the keys of a configuration whose ``type`` it is asked for.
PLACES = {
    "MODELS": "``model``, its parts, ``data_preprocessor``",
    "DATASETS": "``dataset`` of a data loader",
    "TRANSFORMS": "``pipeline`` of a data set",
    "DATA_SAMPLERS": "``sampler`` and ``batch_sampler`` of a data loader",
    "FUNCTIONS": "``collate_fn`` and ``worker_init_fn`` of a data loader",
    "METRICS": "``val_evaluator`` and ``test_evaluator``",
    "EVALUATOR": "``val_evaluator`` and ``test_evaluator``, where not the metrics stand there",
    "OPTIMIZERS": "``optim_wrapper.optimizer``",
    "OPTIM_WRAPPERS": "``optim_wrapper``",
    "OPTIM_WRAPPER_CONSTRUCTORS": "``optim_wrapper.constructor``",
    "PARAM_SCHEDULERS": "``param_scheduler``",
    "HOOKS": "``default_hooks`` and ``custom_hooks``",
    "LOOPS": "``train_cfg``, ``val_cfg`` and ``test_cfg``",
    "LOG_PROCESSORS": "``log_processor``",
    "VISUALIZERS": "``visualizer``",
    "VISBACKENDS": "``vis_backends`` of a visualizer",
    "MODEL_WRAPPERS": "``model_wrapper_cfg``",
    "STRATEGIES": "what a runner is given to keep the model by",
    "RUNNERS": "``runner_type``",
    "RUNNER_CONSTRUCTORS": "what makes a runner",
    "WEIGHT_INITIALIZERS": "``init_cfg`` of a module",
    "INFERENCERS": "what runs a trained model",
    "TASK_UTILS": "parts of a task, such as a coder of boxes",
}

HEAD = """.. Written by scripts/components.py from the registries; change what they hold, not this page.

What ``type=`` may name
=======================

A ``type`` in a configuration is looked for in the registry of the place where it stands: in the
default scope, then at the root, whose entries are listed here. Beside them it may be

* a component of your own, registered by ``@HOOKS.register_module()`` and its like, in a module that
  ``custom_imports`` names (:doc:`guides/runner`);
* a full import path, such as ``torch.nn.CrossEntropyLoss``, unless the configuration is read as data;
* in a configuration of the lazy style, a class (:doc:`guides/config`).

``engine check config.py`` tells every name that is not found, and those near to it.
"""


def page() -> str:
    """Return the page's text."""
    return "\n".join([HEAD, *(line for name in PLACES for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    registry = ROOTS[name]
    registry.import_from_location()
    yield from (name, "-" * len(name), "", f"In {PLACES[name]}.", "")
    own = {key: entry for key, entry in registry.module_dict.items() if not _foreign(entry)}
    if own:
        yield from (".. list-table::", "   :widths: 32 68", "")
        for key, entry in sorted(own.items(), key=lambda item: item[0].lower()):
            yield f"   * - {_link(registry, key, entry)}"
            yield f"     - {_summary(entry)}"
    else:
        yield "None of the engine's own; yours are registered here."
    yield ""
    yield from _libraries(entry for entry in registry.module_dict.values() if _foreign(entry))


def _link(registry: Registry[Any], key: str, entry: Any) -> str:
    packages = [location.partition(".")[0] for location in registry.locations]
    for module in (*packages, *registry.locations):
        if getattr(sys.modules.get(module), key, None) is entry:
            return f":py:obj:`{key} <{module}.{key}>`"
    return f"``{key}``"


def _summary(entry: Any) -> str:
    """Return the first paragraph of a docstring, as one line."""
    paragraph = (entry.__doc__ or "").strip().partition("\n\n")[0]
    text = " ".join(paragraph.split())
    return re.sub(r"(?<!`)(?::class:)?`([^`]+)`(?!`)", r"``\1``", text)


def _foreign(entry: Any) -> bool:
    """Tell whether an entry only asks another library for its optimizer."""
    return getattr(entry, "__module__", "") == third_party.__name__


def _libraries(entries: Iterable[Any]) -> Iterator[str]:
    """Name the optimizers of other libraries, library by library."""
    by_library: dict[str, list[str]] = {}
    for entry in entries:
        by_library.setdefault(_summary(entry).rpartition(" of ")[2].rstrip("."), []).append(
            entry.__name__
        )
    for library, names in sorted(by_library.items()):
        yield f"Of {library} where it is installed: {', '.join(f'``{n}``' for n in sorted(names))}."
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
