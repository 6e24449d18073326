"""What holds for a thread and task: where names are looked for first, and what data may name."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .scope import DefaultScope

ROOT_SCOPE = "engine"
# Configs written for MMEngine name the root so.
ROOT_ALIASES = frozenset({ROOT_SCOPE, "mmengine"})
OWN_PACKAGES = frozenset(
    f"engine_{name}"
    for name in ("config", "registry", "dist", "optim", "dataset", "evaluator", "runner")
)

current_scope: ContextVar[DefaultScope | None] = ContextVar("engine_registry_scope", default=None)
# The prefixes in force, None where names are not restricted.
allowed: ContextVar[tuple[str, ...] | None] = ContextVar("engine_registry_allowed", default=None)


def canonical(scope: str) -> str:
    """Return the one name that a scope of the root goes by."""
    return ROOT_SCOPE if scope in ROOT_ALIASES else scope
