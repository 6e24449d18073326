"""What a batch costs through a loader that a configuration built, above torch's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from benchmarks import harness
from engine_dataset import BaseDataset, DefaultSampler, build_dataloader, pseudo_collate

BATCHES = 2_000
SIZE = 8
MOST = 2e-6  # seconds a batch


class Numbers(BaseDataset):
    """Small entries."""

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return an entry for every sample of the batches."""
        return [{"number": n} for n in range(BATCHES * SIZE)]


class Draw:
    """A transform that draws a random number a sample."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Return the sample with a number that was drawn."""
        return {**sample, "drawn": random.random()}


class Stream(IterableDataset[dict[str, Any]]):
    """The entries one after the other."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({"number": n} for n in range(BATCHES * SIZE))


def passing(loader: Any) -> Callable[[], object]:
    """Go through a loader."""

    def work() -> None:
        for _ in loader:
            pass

    return work


def built(pipeline: list[Any], seed: int | None) -> Callable[[], object]:
    """Go through a loader of ours."""
    return passing(
        build_dataloader(
            {"dataset": Numbers(data_prefix={}, pipeline=pipeline), "batch_size": SIZE,
             "sampler": {"type": "DefaultSampler", "seed": 0}},
            seed=seed,
        )
    )  # fmt: skip


def streamed() -> Callable[[], object]:
    """Go through a loader of a stream."""
    return passing(build_dataloader({"dataset": Stream(), "batch_size": SIZE}, seed=0))


def torch_streamed() -> Callable[[], object]:
    """Go through torch's loader of that stream."""
    return passing(DataLoader(Stream(), batch_size=SIZE, collate_fn=pseudo_collate))


def torchs(pipeline: list[Any]) -> Callable[[], object]:
    """Go through torch's loader of the same samples, in the same order."""
    dataset = Numbers(data_prefix={}, pipeline=pipeline)
    sampler = DefaultSampler(dataset, seed=0)
    return passing(
        DataLoader(dataset, batch_size=SIZE, sampler=sampler, collate_fn=pseudo_collate)
    )


def mmengines(pipeline: list[Any]) -> Callable[[], object]:
    """Go through MMEngine's loader of as many samples, with its own dataset."""
    from mmengine.dataset import BaseDataset as Base
    from mmengine.runner import Runner

    class Numbers(Base):  # type: ignore[misc]  # of a library without types
        """Small entries."""

        def load_data_list(self) -> list[dict[str, Any]]:
            return [{"number": n} for n in range(BATCHES * SIZE)]

    return passing(
        Runner.build_dataloader(
            {"dataset": Numbers(pipeline=pipeline), "batch_size": SIZE, "num_workers": 0,
             "sampler": {"type": "DefaultSampler", "seed": 0},
             "collate_fn": {"type": "pseudo_collate"}},
            seed=0,
        )
    )  # fmt: skip


def mmengine() -> Callable[[], object]:
    """Go through MMEngine's loader of samples that draw nothing."""
    return mmengines([])


def mmengine_drawing() -> Callable[[], object]:
    """Go through MMEngine's loader of samples that draw."""
    return mmengines([Draw()])


def main() -> int:
    """Compare samples that draw nothing, samples that draw, and a stream."""
    settings = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    here = "benchmarks.dataset_loader:"
    cases: dict[str, dict[str, harness.Factory]] = {
        "entries that draw nothing": {
            "torch": lambda: torchs([]), "engine": lambda: built([], 0),
            "MMEngine": harness.elsewhere(f"{here}mmengine"),
        },
        "samples that draw a random number each": {
            "torch": lambda: torchs([Draw()]), "engine": lambda: built([Draw()], 0),
            "MMEngine": harness.elsewhere(f"{here}mmengine_drawing"),
        },
        "samples of a stream": {"torch": torch_streamed, "engine": streamed},
    }  # fmt: skip
    kept = True
    for title, contenders in cases.items():
        found = harness.compare(contenders, "torch", units=BATCHES, settings=settings)
        print(harness.table(f"A batch of {SIZE} {title}, at most 2 µs above torch", found))
        torch, engine = found[:2]
        if torch.seconds and engine.least:
            above = (engine.least - 1) * torch.seconds.low
            print(f"By the least times {1e6 * above:.2g} µs above torch\n")
            kept &= above <= MOST
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
