"""What a training step needs of memory and sends, counted on real tensors or on ones without values."""

from engine_dist.estimation.classes import CLASSES, Footprint, Traffic
from engine_dist.estimation.estimate import estimate
from engine_dist.estimation.fake_group import EstimationError, fake_job
from engine_dist.estimation.observation import Job, Observation, Undivided, observe
from engine_dist.estimation.zero import zero_by_arithmetic

__all__ = [
    "CLASSES",
    "EstimationError",
    "Footprint",
    "Job",
    "Observation",
    "Traffic",
    "Undivided",
    "estimate",
    "fake_job",
    "observe",
    "zero_by_arithmetic",
]
