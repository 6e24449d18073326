"""`PrepareTTAHook`: a model of several views of each sample, put in before a test."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils.data import Dataset

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import SAMPLES, Points, loader


class Views(Dataset[dict[str, Any]]):
    """The points twice each, as lists of views."""

    def __init__(self) -> None:
        self.points = Points()

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Any]:
        one, two = self.points[index], self.points[(index + 1) % SAMPLES]
        return {key: [one[key], two[key]] for key in one}


def mean(base: Any, seen: list[Any]) -> Any:
    """Return a class of models on a library's ``BaseTTAModel``; it notes what it is to merge."""

    class Mean(base):  # type: ignore[misc]  # of whichever library asks
        def merge_preds(self, data_samples_list: Any) -> Any:
            seen.append([len(data_samples_list), [len(views) for views in data_samples_list]])
            return [sum(views) / len(views) for views in data_samples_list]

    return Mean


def merged(bench: Bench, trained: bool = False) -> Any:
    """Test with a hook that puts a model of views around the model."""
    seen: list[Any] = []
    kind = mean(bench.library("model.BaseTTAModel"), seen)
    bench.library("registry.MODELS").register_module(name="Mean", module=kind, force=True)
    settings = bench.settings() if trained else bench.test_settings()
    if trained:
        settings |= {k: v for k, v in bench.test_settings().items() if k.startswith("test")}
    settings["test_dataloader"] = loader(dataset=Views(), collate_fn={"type": "pseudo_collate"})
    runner = bench.runner(**settings)
    runner.register_hook(bench.library("hooks.PrepareTTAHook")(tta_cfg={"type": "Mean"}))
    if trained:
        runner.train()
        seen.append(type(runner.model).__name__)
    metrics = runner.test()
    return {"metrics": metrics, "seen": seen, "model": type(runner.model).__name__,
            "module": type(getattr(runner.model, "module", None)).__name__}  # fmt: skip


def refused(bench: Bench) -> Any:
    """Put in what is no model of views."""
    kind = bench.library("hooks.PrepareTTAHook")
    return bench.raised(
        lambda: bench.runner(**bench.test_settings()).register_hook(kind(tta_cfg=3))
    )


RECIPES = {"tested": merged, "trained": partial(merged, trained=True), "no-config": refused}
