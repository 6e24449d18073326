"""Loops: training by epochs and by iterations, validation and test."""

from engine_runner.loops.evaluate import EvaluateLoop, TestLoop, ValLoop, as_evaluator
from engine_runner.loops.loop import BaseLoop
from engine_runner.loops.train import EpochBasedTrainLoop, IterBasedTrainLoop, TrainLoop

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
