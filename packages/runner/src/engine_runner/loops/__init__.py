"""Loops: training by epochs and by iterations, validation and test."""

from engine_runner.loops.epoch_based import EpochBasedTrainLoop
from engine_runner.loops.evaluate import EvaluateLoop, TestLoop, ValLoop, as_evaluator
from engine_runner.loops.iter_based import IterBasedTrainLoop
from engine_runner.loops.loop import BaseLoop
from engine_runner.loops.train import TrainLoop

__all__ = [
    "BaseLoop",
    "EpochBasedTrainLoop",
    "EvaluateLoop",
    "IterBasedTrainLoop",
    "TestLoop",
    "TrainLoop",
    "ValLoop",
    "as_evaluator",
]
