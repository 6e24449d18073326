"""A million records: loading them, what processes hold of them, and reading one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks import harness

RECORDS = int(os.environ.get("RECORDS", 1_000_000))
READS = 2_000


def entries(count: int) -> list[dict[str, Any]]:
    """Return records of five small fields."""
    return [
        {"img_path": f"images/{n:08d}.jpg", "label": n % 1000, "height": 480, "width": 640,
         "img_id": n}
        for n in range(count)
    ]  # fmt: skip


def loading(library: str) -> Callable[[], object]:
    """Load the records; their making is the same for both libraries and not timed here."""
    made = entries(RECORDS)
    base: Any = importlib.import_module(library).BaseDataset

    class Listed(base):  # type: ignore[misc]  # the class is known at run time only
        def load_data_list(self) -> list[dict[str, Any]]:
            return list(made)

    def work() -> object:
        return Listed(data_prefix={})

    return work


def ours_loading() -> Callable[[], object]:
    """Load by engine-dataset."""
    return loading("engine_dataset")


def theirs_loading() -> Callable[[], object]:
    """Load by MMEngine."""
    return loading("mmengine.dataset")


def reading(library: str) -> Callable[[], object]:
    """Read records all over the dataset, without a pipeline."""
    base: Any = importlib.import_module(library).BaseDataset

    class Listed(base):  # type: ignore[misc]  # the class is known at run time only
        def load_data_list(self) -> list[dict[str, Any]]:
            return entries(RECORDS)

    dataset = Listed(data_prefix={})
    step = RECORDS // READS

    def work() -> None:
        for index in range(0, READS * step, step):
            dataset[index]

    return work


def ours_reading() -> Callable[[], object]:
    """Read by engine-dataset."""
    return reading("engine_dataset")


def theirs_reading() -> Callable[[], object]:
    """Read by MMEngine."""
    return reading("mmengine.dataset")


# --------------------------------------------------------------------------- memory

MEMORY = """
import json, os, sys
from importlib import import_module
from torch.utils.data import DataLoader
from benchmarks.dataset_records import entries

class Listed(import_module(sys.argv[1]).BaseDataset):
    def load_data_list(self):
        return entries(int(sys.argv[2]))

def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        # not of files: how many other processes have the libraries changes all the time
        return sum(int(l.split()[1]) * 1024 for l in file if l.startswith(("Pss_A", "Pss_S")))

class Read:
    def __call__(self, batch):
        return os.getpid()

if __name__ == "__main__":
    dataset = Listed(data_prefix={})
    loader = DataLoader(dataset, batch_size=64, num_workers=4, multiprocessing_context=sys.argv[3],
                        collate_fn=Read(), sampler=range(0, len(dataset), 7))
    batches = iter(loader)
    pids = {next(batches) for _ in range(len(loader) - 40)}  # the workers are still there
    data = dataset.data_bytes
    size = data.nbytes if hasattr(data, "_count") else data.nbytes + dataset.data_address.nbytes
    print(json.dumps({"pss": sum(map(pss, pids | {os.getpid()})), "size": size}))
    for _ in batches:  # with the last one the workers end
        pass
"""


def measured(library: str, count: int, method: str, python: str) -> dict[str, int]:
    """Return the PSS of parent and four workers together, and the size of the records' bytes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = os.path.join(folder, "memory_probe.py")  # spawned workers import it again
        with open(path, "w", encoding="utf-8") as file:
            file.write(MEMORY)
        done = subprocess.run(
            [python, path, library, str(count), method], check=True, capture_output=True,
            text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
        )  # fmt: skip
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def memory(python: str | None) -> bool:
    """Print what a million records add to parent and workers; tell whether the bound holds."""
    print("### Memory of parent and four workers above that with 20,000 records\n")
    print("| contender | start | records' bytes | PSS added | times | bound |")
    print("| --- | --- | --- | --- | --- | --- |")
    holds = True
    for library, where in (("engine_dataset", sys.executable), ("mmengine.dataset", python)):
        if where is None:
            continue
        for method in ("fork", "spawn"):
            few = measured(library, 20_000, method, where)
            many = measured(library, RECORDS, method, where)
            size, added = many["size"] - few["size"], many["pss"] - few["pss"]
            ratio = added / size
            ours = library == "engine_dataset"
            holds = holds and (not ours or ratio <= 1.1)
            print(
                f"| {library} | {method} | {size / 2**20:.0f} MiB | {added / 2**20:.0f} MiB "
                f"| {ratio:.3g} | {'≤ 1.1' if ours else ''} |",
                flush=True,
            )
    print()
    return holds


def main() -> int:
    """Run the three comparisons."""
    settings = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    theirs = "benchmarks.dataset_records:theirs_"
    found = harness.compare(
        {"mmengine": harness.elsewhere(f"{theirs}loading"), "engine": ours_loading},
        "mmengine",
        at_most={"engine": 0.4},
        settings=settings,
    )
    print(harness.table(f"Loading {RECORDS:,} records", found), flush=True)
    read = harness.compare(
        {"mmengine": harness.elsewhere(f"{theirs}reading"), "engine": ours_reading},
        "mmengine",
        units=READS,
        at_most={"engine": 1.2},
        settings=harness.Settings(max(settings.rounds, 15), settings.min_seconds, settings.seed),
    )
    print(harness.table("Reading one record", read), flush=True)
    holds = memory(os.environ.get("CONTENDER_PYTHON"))
    return 0 if holds and all(one.holds for one in (*found, *read)) else 1


if __name__ == "__main__":
    started = time.perf_counter()
    code = main()
    print(f"{time.perf_counter() - started:.0f} s")
    raise SystemExit(code)
