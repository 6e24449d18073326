"""Predictions of a trained model for files, arrays and streams of them."""

from engine_runner.inference.inferencer import BaseInferencer

__all__ = ["BaseInferencer"]
