"""What scopes are called, and what data may name, which holds for a thread and task."""

from __future__ import annotations

from contextvars import ContextVar

ROOT_SCOPE = "engine"
# Configs written for MMEngine name the root so.
ROOT_ALIASES = frozenset({ROOT_SCOPE, "mmengine"})
OWN_PACKAGES = frozenset(
    f"engine_{name}"
    for name in ("config", "registry", "dist", "optim", "dataset", "evaluator", "runner")
)

# The prefixes in force, None where names are not restricted.
allowed: ContextVar[tuple[str, ...] | None] = ContextVar("engine_registry_allowed", default=None)


def canonical(scope: str) -> str:
    """Return the one name that a scope of the root goes by."""
    return ROOT_SCOPE if scope in ROOT_ALIASES else scope
