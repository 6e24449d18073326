"""Write all predictions to a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from engine_config.fileio import dump
from engine_evaluator.batch import rows
from engine_evaluator.metric import BaseMetric, CollectDevice, to_cpu
from engine_registry import METRICS

logger = logging.getLogger("engine.evaluator")


@METRICS.register_module()
class DumpResults(BaseMetric):
    """Write the predictions of all ranks to one pickle file, in the order of the data set.

    Parameters
    ----------
    out_file_path : str
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
        out_file_path: str,
        collect_device: CollectDevice = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir)
        if not out_file_path.endswith((".pkl", ".pickle")):
            raise ValueError(f"out_file_path must end in .pkl or .pickle, got {out_file_path!r}")
        self.out_file_path = out_file_path

    def process(self, data_batch: Any, predictions: Sequence[Any]) -> None:
        """Keep the predictions, on the CPU."""
        self.results += to_cpu(rows(predictions))

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Write the file; there are no values."""
        dump(results, self.out_file_path)
        logger.info("results are in %s", self.out_file_path)
        return {}
