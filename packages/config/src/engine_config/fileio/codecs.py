"""Values from files and to files, by format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from engine_config.fileio.backend import PathLike
from engine_config.fileio.client import backend_for
from engine_config.fileio.handlers import BaseFileHandler, PickleHandler, file_handlers
from engine_config.fileio.pickles import read_pickle


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
        The format, else the path's ending.  A pickle by its ending is read as data: plain values,
        numpy's arrays and torch's tensors.  A pickle by this word is read as a program: what it
        says is run.
    file_client_args
        The old name of ``backend_args``.
    **kwargs
        For the format's handler.

    Raises
    ------
    TypeError
        The format is unknown.
    UnsafePickleError
        A pickle by its ending asks for more than data.
    pickle.UnpicklingError
        A pickle by its ending is none, or damaged.
    """
    if isinstance(file, str) or hasattr(file, "__fspath__"):
        name = file_format or _ending(file)
        handler = _handler(name)
        backend = backend_for(file, file_client_args, backend_args)
        if file_format is None and type(handler) is PickleHandler:
            return read_pickle(backend.get(file), str(file), **kwargs)
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
        backend = backend_for(file, file_client_args, backend_args)
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
