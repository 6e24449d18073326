"""Values from files and to files, by format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from engine_config.fileio.backend import PathLike
from engine_config.fileio.handlers import BaseFileHandler, file_handlers
from engine_config.fileio.registry import get_file_backend


def load(
    file: PathLike | IO[Any],
    file_format: str | None = None,
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Read a value from a path, a URI or an open file.

    Parameters
    ----------
    file_format
        The format, else the path's ending.  Pickle must be asked for by name: reading one runs
        what it says, and a path may come from anywhere.
    file_client_args
        The old name of ``backend_args``.
    **kwargs
        For the format's handler.

    Raises
    ------
    TypeError
        The format is unknown.
    ValueError
        A pickle that was not asked for by name.
    """
    if isinstance(file, str) or hasattr(file, "__fspath__"):
        name = file_format or _ending(file)
        handler = _handler(name)
        if file_format is None and name in ("pkl", "pickle"):
            raise ValueError(
                f"{file} is a pickle by its name, and reading a pickle runs what it says; "
                f'if you trust it, say file_format="{name}"'
            )
        backend = get_file_backend(
            file, backend_args=backend_args or _client_args(file_client_args)
        )
        stream: IO[Any]
        if handler.str_like:
            stream = io.StringIO(backend.get_text(file))
        else:
            stream = io.BytesIO(backend.get(file))
        with _naming(f"{file} was read as {name}"):
            return handler.load_from_fileobj(stream, **kwargs)
    if not hasattr(file, "read"):
        raise TypeError(f"a path or an open file is read, got {file!r}")
    return _handler(file_format).load_from_fileobj(file, **kwargs)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "add_note"):  # not in Python 3.10
            error.add_note(what)
        raise


def dump(
    obj: Any,
    file: PathLike | IO[Any] | None = None,
    file_format: str | None = None,
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
    **kwargs: Any,
) -> str | bytes | None:
    """Write a value to a path, a URI or an open file, or return it as text or bytes.

    Raises
    ------
    TypeError
        The format is unknown.
    ValueError
        Neither a file nor a format is given.
    """
    if file is None:
        if file_format is None:
            raise ValueError("file_format must be given where file is None")
        return _handler(file_format).dump_to_str(obj, **kwargs)
    if isinstance(file, str) or hasattr(file, "__fspath__"):
        content = _handler(file_format or _ending(file)).dump_to_str(obj, **kwargs)
        backend = get_file_backend(
            file, backend_args=backend_args or _client_args(file_client_args)
        )
        backend.put(content.encode() if isinstance(content, str) else content, file)
        return None
    if not hasattr(file, "write"):
        raise TypeError(f"a path or an open file is written, got {file!r}")
    _handler(file_format).dump_to_fileobj(obj, file, **kwargs)
    return None


def _ending(file: Any) -> str:
    _, dot, ending = str(file).rsplit("/", 1)[-1].rpartition(".")
    return ending.lower() if dot else ""


def _handler(name: str | None) -> BaseFileHandler:
    if name not in file_handlers:
        given = name if name != "" else "the path has no ending, and file_format is not given"
        raise TypeError(f"Unsupported format: {given}; known are {sorted(file_handlers)}")
    return file_handlers[name]


def _client_args(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Translate the old argument: its backend ``disk`` is ``local``."""
    if value and value.get("backend") == "disk":
        return {**value, "backend": "local"}
    return value
