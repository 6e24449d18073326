"""Classes whose instances are known by name: name → live instance."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections import OrderedDict
from typing import Any, TypeVar

M = TypeVar("M", bound="ManagerMixin")


class ManagerMeta(type):
    """Give each class a table of its own for its named instances.

    Raises
    ------
    TypeError
        If the constructor has no parameter ``name``.
    """

    _instance_dict: OrderedDict[str, Any]
    _instance_lock: threading.RLock

    def __init__(cls, *args: Any) -> None:
        cls._instance_dict = OrderedDict()
        cls._instance_lock = threading.RLock()
        if not _takes_name(cls):
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__}.__init__ has no parameter 'name', by which "
                "its instances are known; add name: str = '' and pass it to super().__init__"
            )
        super().__init__(*args)


def _takes_name(cls: type) -> bool:
    code = getattr(cls.__init__, "__code__", None)  # type: ignore[misc]  # of this very class
    if (
        code is not None
        and "name" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    ):
        return True  # without the import of inspect
    return "name" in inspect.signature(cls).parameters


class ManagerMixin(metaclass=ManagerMeta):
    """Base of classes that are asked for by name from anywhere in the process.

    Parameters
    ----------
    name : str
        Not empty.

    Examples
    --------
    >>> class Board(ManagerMixin):
    ...     def __init__(self, name: str = "", size: int = 3) -> None:
    ...         super().__init__(name)
    ...         self.size = size
    >>> board = Board.get_instance("main", size=5)
    >>> Board.get_instance("main") is board, Board.get_current_instance() is board
    (True, True)
    """

    def __init__(self, name: str = "", **kwargs: Any) -> None:
        given: object = name
        if not isinstance(given, str) or not given:
            raise ValueError(
                f"{type(self).__name__} needs a name that is a non-empty string, got {given!r}"
            )
        self._instance_name = name

    @classmethod
    def get_instance(cls: type[M], name: str, **kwargs: Any) -> M:
        """Return the instance of that name; make it from ``kwargs`` where there is none yet.

        Warns where the instance exists and arguments, which have no effect then, are given.
        """
        if not isinstance(name, str):
            raise TypeError(f"{cls.__name__}: name must be a str, got {type(name).__name__}")
        with cls._instance_lock:
            if name not in cls._instance_dict:
                cls._instance_dict[name] = cls(name=name, **kwargs)
            elif kwargs:
                warnings.warn(
                    f"{cls.__name__} {name!r} exists already: the arguments "
                    f"{', '.join(sorted(kwargs))} have no effect",
                    stacklevel=2,
                )
            instance: M = cls._instance_dict[name]
        return instance

    @classmethod
    def get_current_instance(cls: type[M]) -> M:
        """Return the instance that was made last.

        Raises
        ------
        RuntimeError
            If there is none.
        """
        with cls._instance_lock:
            if not cls._instance_dict:
                raise RuntimeError(
                    f"there is no instance of {cls.__name__} yet: "
                    f"call {cls.__name__}.get_instance(name) before get_current_instance()"
                )
            instance: M = next(reversed(cls._instance_dict.values()))
        return instance

    @classmethod
    def check_instance_created(cls, name: str) -> bool:
        """Tell whether an instance of that name exists."""
        return name in cls._instance_dict

    @classmethod
    def instance_names(cls) -> list[str]:
        """Return the names of the instances, in the order in which they were made."""
        return list(cls._instance_dict)

    def forget_instance(self) -> None:
        """Give this instance's name free: the next one asked for by it is made anew."""
        manager = type(self)
        with manager._instance_lock:
            if manager._instance_dict.get(self.instance_name) is self:
                del manager._instance_dict[self.instance_name]

    @property
    def instance_name(self) -> str:
        """The name that this instance is known by."""
        return self._instance_name
