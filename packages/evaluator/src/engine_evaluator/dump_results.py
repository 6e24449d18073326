"""Write all predictions to a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from engine_config.fileio import dump
from engine_evaluator.batch import rows
from engine_evaluator.metric import BaseMetric, CollectDevice, mapped, to_cpu
from engine_registry import METRICS

logger = logging.getLogger("engine.evaluator")


@METRICS.register_module()
class DumpResults(BaseMetric):
    """Write the predictions of all ranks to one pickle file, in the order of the data set.

    Parameters
    ----------
    out_file_path : str or os.PathLike
        A path or URI that ends in ``.pkl`` or ``.pickle``.
    collect_device : {'cpu', 'gpu'}
        Where they are gathered.
    collect_dir : str, optional
        A folder that all ranks share, for gathering on the CPU.

    Raises
    ------
    ValueError
        If the file's name ends in anything else.
    """

    def __init__(
        self,
        out_file_path: str | os.PathLike[str],
        collect_device: CollectDevice = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir)
        self.out_file_path = os.fspath(out_file_path)
        if not self.out_file_path.endswith((".pkl", ".pickle")):
            raise ValueError(f"out_file_path must end in .pkl or .pickle, got {out_file_path!r}")

    def process(self, data_batch: Any, predictions: Sequence[Any]) -> None:
        """Keep the predictions, on the CPU."""
        self.results += mapped(to_cpu(rows(predictions)), _alone)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Write the file; there are no values."""
        dump(results, self.out_file_path)
        logger.info("results are in %s", self.out_file_path)
        return {}


def _alone(value: Any) -> Any:
    """Return a part of a tensor without the rest, which a pickle would hold every time."""
    if type(value) is not Tensor or value.untyped_storage().nbytes() <= value.nbytes:
        return value
    return value.clone()
