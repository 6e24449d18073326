"""Modules that most programs never need: imported when first used.

A module that every import of a package runs takes what only annotations need under
``TYPE_CHECKING``, which is then a constant of its own: ``typing`` costs more than the package.
"""

from __future__ import annotations

import importlib
import sys
from types import GenericAlias

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any
    from typing import Generic as Generic
else:

    class Generic:
        """Takes type parameters, as the one of ``typing`` does."""

        __class_getitem__ = classmethod(GenericAlias)


class Late:
    """Stands for a module until an attribute of it is read; keeps the import of a package cheap.

    The module then takes its place in the globals of the module that made it, so that it costs
    nothing there any more.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._members = sys._getframe(1).f_globals

    def __getattr__(self, attribute: str) -> Any:
        module = importlib.import_module(self._name)
        for name, value in self._members.copy().items():
            if value is self:
                self._members[name] = module
        return getattr(module, attribute)


def late_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports some names when first used.

    Parameters
    ----------
    package
        Its full name.
    homes
        Each module of the package that is imported late, and the names it gives.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    members = sys.modules[package].__dict__

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home_of[name]}")
        members[name] = value = getattr(module, name)
        return value

    return get, lambda: sorted({*members, *home_of})
