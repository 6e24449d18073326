"""``custom_imports``: modules that a config asks to import."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from engine_config.errors import ConfigExecutionError, ConfigImportError
from engine_config.reading.source import Source
from engine_config.values.config_dict import ConfigDict
from engine_config.values.dict_origins import is_trusted
from engine_config.values.origins import Origin, Path


def import_custom(source: Source, cfg: ConfigDict) -> None:
    """Import what ``custom_imports`` of a trusted config names, whatever its format.

    Raises
    ------
    ConfigImportError
        It is no ``dict(imports=[…], allow_failed_imports=False)``, or an import fails and may not.
    ConfigExecutionError
        A module fails in another way.
    """
    if "custom_imports" not in cfg:
        return
    setter = source.setter("custom_imports")
    origin = setter.locate(("custom_imports",)) if setter is not None else None
    files = (setter.file, source.file) if setter is not None else (source.file,)
    import_listed(cfg["custom_imports"], origin, files)


def import_overridden(
    root: ConfigDict, changes: Iterable[tuple[Path, Origin]], filename: str | None = None
) -> None:
    """Import what a trusted config's ``custom_imports`` lists, where a change is of it."""
    for path, origin in changes:
        if path[0] == "custom_imports" and is_trusted(root):
            settings = root.get("custom_imports", {})
            if is_trusted(settings):
                import_listed(settings, origin, (filename,) if filename else ())


def import_listed(settings: Any, origin: Origin | None, files: Iterable[str] = ()) -> None:
    """Import what a value of ``custom_imports`` lists.

    Parameters
    ----------
    settings
        The value.
    origin
        Where it stands, for messages.
    files
        The configs beside which modules are looked for, too.
    """
    names: Any = settings.get("imports") if isinstance(settings, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigImportError(
            f"custom_imports is dict(imports=['a.module', …], allow_failed_imports=False), "
            f"got {settings!r}",
            origin,
        )
    folders = list(dict.fromkeys(os.path.dirname(os.path.abspath(file)) for file in files))
    for name in names:
        try:
            _import(name, folders)
        except ImportError as error:
            message = f"custom_imports names {name!r}, which cannot be imported: {error}"
            if not settings.get("allow_failed_imports", False):
                raise ConfigImportError(
                    f"{message}; {_remedy(name, error, folders)}", origin
                ) from error
            logging.getLogger("engine.config").warning("%s", message)
        except Exception as error:
            raise ConfigExecutionError(
                f"custom_imports names {name!r}, which fails at {_place(name, error)}: "
                f"{type(error).__name__}: {getattr(error, 'msg', None) or error}",
                origin,
            ) from error


def _import(name: str, folders: list[str]) -> None:
    """Import a module; one that is not found on Python's path, from beside a config."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        root = _root_of(name, folders) if _is_own(name, error) else None
        if root is None or root in sys.path:
            raise
        sys.path.append(root)  # for good: what is pickled is imported again in other processes
        importlib.invalidate_caches()
        importlib.import_module(name)


def _is_own(name: str, error: ImportError) -> bool:
    """Whether it is the module itself that is not there, and not one that it needs."""
    return error.name is not None and f"{name}.".startswith(f"{error.name}.")


def _root_of(name: str, folders: list[str]) -> str | None:
    """Return the folder from which a module can be imported: a config's, or where it is a package."""
    parts = name.split(".")
    for folder in folders:
        for root in _roots(folder, parts):
            module = os.path.join(root, *parts)
            if os.path.isfile(f"{module}.py") or os.path.isfile(
                os.path.join(module, "__init__.py")
            ):
                return root
    return None


def _roots(folder: str, parts: list[str]) -> Iterator[str]:
    """Yield the folder, and those above it of which it is the package that a name begins with."""
    yield folder
    for depth in range(1, len(parts)):
        tail = os.path.join(*parts[:depth])
        if folder.endswith(os.sep + tail):
            yield folder[: -len(tail) - 1] or os.sep


def _remedy(name: str, error: ImportError, folders: list[str]) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return "correct it, or say allow_failed_imports=True to do without it"
    if not _is_own(name, error):
        return f"install {error.name!r}, or say allow_failed_imports=True to do without it"
    beside = f", nor beside the config, in {' or '.join(folders)}" if folders else ""
    return (
        f"it is not on Python's path{beside}: put its folder on PYTHONPATH, or run where it can be "
        "imported; allow_failed_imports=True does without it"
    )


def _place(name: str, error: Exception) -> str:
    """Return the line of a module that fails, or in what it calls if it has none of its own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    tail = name.rpartition(".")[2]
    own = [
        f for f in frames if f.filename.endswith((f"{tail}.py", os.path.join(tail, "__init__.py")))
    ]
    frame = (own or frames)[-1]
    return f"{frame.filename}:{frame.lineno}"
