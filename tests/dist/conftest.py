"""The strategies' tests train by the packages above, which this one has not where it is alone."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("engine_runner") else ["strategies"]
