"""The default scope: where a name is looked for first, per thread and task."""

from __future__ import annotations

import itertools
import logging
from contextvars import ContextVar
from typing import Any

from .context import canonical
from .instances import ManagerMixin
from .override import Override

_count = itertools.count()
current_scope: ContextVar[DefaultScope | None] = ContextVar("engine_registry_scope", default=None)


class DefaultScope(ManagerMixin):
    """The scope that names without one are looked for in.

    ``get_instance`` makes a scope the current one of this thread and task; another thread
    or task neither sees nor loses its own by it.  A thread starts without a default scope.

    Parameters
    ----------
    name : str
        The instance's name.
    scope_name : str
        The scope.

    Examples
    --------
    >>> with DefaultScope.overwrite_default_scope("mypackage"):
    ...     DefaultScope.get_current_instance().scope_name
    'mypackage'
    """

    def __init__(self, name: str, scope_name: str) -> None:
        super().__init__(name)
        if not isinstance(scope_name, str):
            raise TypeError(f"scope_name must be a str, got {type(scope_name).__name__}")
        self._scope_name = scope_name
        self.key = canonical(scope_name)

    @property
    def scope_name(self) -> str:
        """The scope's name."""
        return self._scope_name

    @classmethod
    def get_instance(cls, name: str, **kwargs: Any) -> DefaultScope:
        """Return the scope of that instance name, made if need be, and make it the current one."""
        instance = super().get_instance(name, **kwargs)
        current_scope.set(instance)
        return instance

    @classmethod
    def get_current_instance(  # type: ignore[override]  # None where no scope is set
        cls,
    ) -> DefaultScope | None:
        """Return this thread's and task's current scope, None if there is none."""
        return current_scope.get()

    @classmethod
    def overwrite_default_scope(cls, scope_name: str | None) -> Override[None]:
        """Make a scope the current one inside the ``with`` block; None changes nothing."""
        if scope_name is None:
            return Override(current_scope)
        return Override(current_scope, lambda _: cls(f"overwrite-{next(_count)}", scope_name))


def init_default_scope(scope: str) -> None:
    """Make ``scope`` the default scope of this thread and task."""
    current = DefaultScope.get_current_instance()
    if current is not None and current.scope_name == scope:
        return
    if current is not None:
        logging.getLogger("engine.registry").info(
            "the default scope %r gives way to %r", current.scope_name, scope
        )
    DefaultScope.get_instance(f"{scope}-{next(_count)}", scope_name=scope)
