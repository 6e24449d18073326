"""Metrics that gather or reduce over processes, and the evaluator that runs them."""

from engine_evaluator.accuracy import Accuracy
from engine_evaluator.averages import Mean, Perplexity, ValidationLoss
from engine_evaluator.batch import Batch, ResultError
from engine_evaluator.class_counts import F1, ConfusionMatrix, Precision, PrecisionRecallF1, Recall
from engine_evaluator.dump_results import DumpResults
from engine_evaluator.evaluator import Evaluator
from engine_evaluator.metric import BaseMetric
from engine_evaluator.reducible import ReducibleMetric
from engine_evaluator.selection import get_metric_value
from engine_evaluator.torchmetrics import TorchMetric

__version__ = "0.1.0"

__all__ = [
    "F1",
    "Accuracy",
    "BaseMetric",
    "Batch",
    "ConfusionMatrix",
    "DumpResults",
    "Evaluator",
    "Mean",
    "Perplexity",
    "Precision",
    "PrecisionRecallF1",
    "Recall",
    "ReducibleMetric",
    "ResultError",
    "TorchMetric",
    "ValidationLoss",
    "__version__",
    "get_metric_value",
]
