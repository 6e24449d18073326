"""What a batch costs through a loader that a configuration built, above torch's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from benchmarks import harness
from engine_dataset import BaseDataset, DefaultSampler, build_dataloader, pseudo_collate

BATCHES = 2_000
SIZE = 4
MOST = 3e-6  # seconds a batch


class Numbers(BaseDataset):
    """Small entries."""

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return an entry for every sample of the batches."""
        return [{"number": n} for n in range(BATCHES * SIZE)]


class Same:
    """A transform that does nothing; what comes before it is then what it costs to seed."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Return the sample."""
        return sample


class Stream(IterableDataset[dict[str, Any]]):
    """The entries one after the other, with or without a word on what it draws."""

    def __init__(self, draws_nothing: bool) -> None:
        self.draws_nothing = draws_nothing

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


def streamed(draws_nothing: bool) -> Callable[[], object]:
    """Go through a loader of a stream."""
    return passing(
        build_dataloader({"dataset": Stream(draws_nothing), "batch_size": SIZE}, seed=0)
    )


def torch_streamed() -> Callable[[], object]:
    """Go through torch's loader of that stream."""
    return passing(DataLoader(Stream(True), batch_size=SIZE, collate_fn=pseudo_collate))


def torchs(pipeline: list[Any]) -> Callable[[], object]:
    """Go through torch's loader of the same samples, in the same order."""
    dataset = Numbers(data_prefix={}, pipeline=pipeline)
    sampler = DefaultSampler(dataset, seed=0)
    return passing(
        DataLoader(dataset, batch_size=SIZE, sampler=sampler, collate_fn=pseudo_collate)
    )


def main() -> int:
    """Compare, without random numbers and with them."""
    settings = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    plain = harness.compare(
        {"torch": lambda: torchs([]), "engine": lambda: built([], 0)},
        "torch",
        units=BATCHES,
        settings=settings,
    )
    print(harness.table(f"A batch of {SIZE} entries, at most 3 µs above torch", plain))
    seeded = harness.compare(
        {"torch": lambda: torchs([Same()]), "engine, unseeded": lambda: built([Same()], None),
         "engine, each sample seeded": lambda: built([Same()], 0)},
        "torch",
        units=BATCHES,
        settings=settings,
    )  # fmt: skip
    print(harness.table(f"A batch of {SIZE} samples that may draw random numbers", seeded))
    streams = harness.compare(
        {"torch": torch_streamed, "engine, known to draw nothing": lambda: streamed(True),
         "engine, generators kept apart": lambda: streamed(False)},
        "torch",
        units=BATCHES,
        settings=settings,
    )  # fmt: skip
    print(harness.table(f"A batch of {SIZE} samples of a stream", streams))
    difference = plain[1].difference
    return 0 if difference is not None and difference.median <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
