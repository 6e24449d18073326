"""A configuration that is not trusted names registered components, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_config import Config
from engine_dist.testing import ProcessPool
from engine_registry import RefusedNameError
from engine_runner import Runner
from tests.runner.toys import run_cfg

Place = Callable[[dict[str, Any], str], None]


def put(*path: str) -> Callable[[dict[str, Any], Any], None]:
    """Return what puts a value at a path of a configuration."""

    def place(cfg: dict[str, Any], value: Any) -> None:
        node: Any = cfg
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return place


def typed(*path: str) -> Place:
    """Return what puts a component of a type at a path."""
    return lambda cfg, name: put(*path)(cfg, {"type": name})


PLACES: dict[str, Place] = {
    "model": typed("model"),
    "model by its name alone": put("model"),
    "model.data_preprocessor": typed("model", "data_preprocessor"),
    "data_preprocessor": typed("data_preprocessor"),
    "model_wrapper_cfg": typed("model_wrapper_cfg"),
    "default_hooks": typed("default_hooks", "logger"),
    "custom_hooks": lambda cfg, name: put("custom_hooks")(cfg, [{"type": name}]),
    "custom_hooks by name alone": lambda cfg, name: put("custom_hooks")(cfg, [name]),
    "optim_wrapper": put("optim_wrapper", "type"),
    "optim_wrapper.constructor": put("optim_wrapper", "constructor"),
    "optim_wrapper.optimizer": put("optim_wrapper", "optimizer", "type"),
    "train_cfg": put("train_cfg", "type"),
    "val_cfg": put("val_cfg", "type"),
    "log_processor": typed("log_processor"),
    "visualizer": typed("visualizer"),
    "visualizer.vis_backends": lambda cfg, name: put("visualizer")(
        cfg, {"type": "Visualizer", "vis_backends": [{"type": name}]}
    ),
    "param_scheduler": typed("param_scheduler"),
    "param_scheduler in a list": lambda cfg, name: put("param_scheduler")(cfg, [{"type": name}]),
    "val_evaluator": typed("val_evaluator"),
    "val_evaluator by its name alone": put("val_evaluator"),
    "val_evaluator in a list": lambda cfg, name: put("val_evaluator")(cfg, [{"type": name}]),
    "val_evaluator.metrics": lambda cfg, name: put("val_evaluator")(cfg, {"metrics": name}),
    "val_evaluator.type": lambda cfg, name: put("val_evaluator")(
        cfg, {"type": name, "metrics": [{"type": "ToyError"}]}
    ),
    **{
        f"{mode}_dataloader.{part}": typed(f"{mode}_dataloader", part)
        for mode in ("train", "val")
        for part in ("dataset", "sampler", "batch_sampler", "collate_fn", "worker_init_fn")
    },
    "a name for collate_fn": put("train_dataloader", "collate_fn"),
    "a name for worker_init_fn": put("train_dataloader", "worker_init_fn"),
}
# where names are refused before any process of its own is needed
ALONE = [name for name in PLACES if name != "model_wrapper_cfg"]


@pytest.fixture
def tripwire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a module that can be imported, and see to it that nobody has."""
    (tmp_path / "runner_tripwire.py").write_text("def boom(*args, **kwargs):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "runner_tripwire.boom"
    assert sys.modules.pop("runner_tripwire", None) is None


def config(tmp_path: Path, place: Place, name: str, *, trusted: bool) -> Config:
    cfg = run_cfg(tmp_path / "run")
    place(cfg, name)
    file = tmp_path / "cfg.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    return Config.fromfile(file, trusted=trusted)


@pytest.mark.parametrize("section", ALONE)
def test_no_section_reaches_what_is_not_registered(
    tmp_path: Path, tripwire: str, section: str
) -> None:
    for name in (tripwire, "os.system", "builtins.eval"):
        cfg = config(tmp_path, PLACES[section], name, trusted=False)
        with pytest.raises(RefusedNameError, match=rf"'{name}' is refused"):
            Runner.from_cfg(cfg).train()


def test_parts_of_an_untrusted_config_as_parameters(tmp_path: Path, tripwire: str) -> None:
    for section in ("optim_wrapper.optimizer", "a name for collate_fn", "val_cfg"):
        cfg = config(tmp_path, PLACES[section], tripwire, trusted=False)
        with pytest.raises(RefusedNameError):
            Runner(**{str(key): cfg[key] for key in cfg}).train()


def test_the_whole_config_as_its_dictionary(tmp_path: Path, tripwire: str) -> None:
    cfg = config(tmp_path, PLACES["custom_hooks by name alone"], tripwire, trusted=False)
    with pytest.raises(RefusedNameError):
        Runner.from_cfg(cfg._cfg_dict)


def wrap(file: str) -> str:
    try:
        Runner.from_cfg(Config.fromfile(file, trusted=False)).train()
    except RefusedNameError as error:
        return str(error)
    return "trained"


def test_nor_does_what_wraps_the_model(pool2: ProcessPool, tmp_path: Path, tripwire: str) -> None:
    cfg = config(tmp_path, PLACES["model_wrapper_cfg"], tripwire, trusted=False)
    cfg.launcher = "pytorch"
    cfg.dump(str(tmp_path / "pytorch.py"))
    for told in pool2.run(wrap, str(tmp_path / "pytorch.py"), timeout=300):
        assert f"{tripwire!r} is refused" in told


def test_what_is_registered_trains(tmp_path: Path) -> None:
    cfg = config(tmp_path, lambda cfg, name: None, "", trusted=False)
    for given in (cfg, cfg._cfg_dict):
        runner = Runner.from_cfg(given)
        runner.train()
        assert runner.iter == 12


def test_a_trusted_config_may_name_anything(tmp_path: Path) -> None:
    path = "torch.utils.data.default_collate"
    cfg = config(tmp_path, PLACES["a name for collate_fn"], path, trusted=True)
    Runner.from_cfg(cfg).train()
    cfg = config(tmp_path, PLACES["a name for collate_fn"], path, trusted=False)
    with pytest.raises(RefusedNameError, match="register it"):
        Runner.from_cfg(cfg).train()
