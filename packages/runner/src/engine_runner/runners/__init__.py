"""Runners: the life of a run, and which parameters make which run."""

from engine_runner.runners.base_runner import BaseRunner
from engine_runner.runners.flexible_runner import FlexibleRunner
from engine_runner.runners.recipe import Recipe
from engine_runner.runners.runner import Runner

__all__ = ["BaseRunner", "FlexibleRunner", "Recipe", "Runner"]
