"""``custom_imports``: modules that a config asks to import."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine_config.config_dict import ConfigDict
from engine_config.errors import ConfigImportError
from engine_config.late import Late
from engine_config.marks import is_trusted
from engine_config.origins import Origin
from engine_config.sources import Source

if TYPE_CHECKING:
    import logging

    from engine_config.merge import Path
else:
    logging = Late("logging")


def import_custom(source: Source, cfg: ConfigDict) -> None:
    """Import what ``custom_imports`` names, where a Python config that may run names it.

    Raises
    ------
    ConfigImportError
        It is no ``dict(imports=[…], allow_failed_imports=False)``, or an import fails and may not.
    """
    if "custom_imports" not in cfg:
        return
    setter = source.setter("custom_imports")
    if setter is not None and (setter.kind not in ("python", "lazy") or not setter.trusted):
        logging.getLogger("engine.config").warning(
            "%s is data: its custom_imports are not imported", setter.file
        )
        return
    origin = setter.locate(("custom_imports",)) if setter is not None else None
    import_listed(cfg["custom_imports"], origin)


def import_overridden(root: ConfigDict, changes: Iterable[tuple[Path, Origin]]) -> None:
    """Import what a trusted config's ``custom_imports`` lists, where a change is of it."""
    for path, origin in changes:
        if path[0] == "custom_imports" and is_trusted(root):
            settings = root.get("custom_imports", {})
            if is_trusted(settings):
                import_listed(settings, origin)


def import_listed(settings: Any, origin: Origin | None) -> None:
    """Import what a value of ``custom_imports`` lists; ``origin`` is for messages.

    Raises
    ------
    ConfigImportError
        As `import_custom`.
    """
    names: Any = settings.get("imports") if isinstance(settings, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigImportError(
            f"custom_imports is dict(imports=['a.module', …], allow_failed_imports=False), "
            f"got {settings!r}",
            origin,
        )
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            message = f"custom_imports names {name!r}, which cannot be imported: {error}"
            if not settings.get("allow_failed_imports", False):
                raise ConfigImportError(
                    f"{message}; install it, or say allow_failed_imports=True", origin
                ) from error
            logging.getLogger("engine.config").warning("%s", message)
