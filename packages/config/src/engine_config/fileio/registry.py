"""Which backend serves which name and which scheme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from engine_config.fileio.backend import BaseStorageBackend, PathLike
from engine_config.fileio.http import HTTPBackend
from engine_config.fileio.lmdb import LmdbBackend
from engine_config.fileio.local import LocalBackend
from engine_config.fileio.memcached import MemcachedBackend
from engine_config.fileio.remote import FsspecBackend, PetrelBackend

Backend = type[BaseStorageBackend]
B = TypeVar("B", bound=Backend)

backends: dict[str, Backend] = {
    "local": LocalBackend,
    "http": HTTPBackend,
    "lmdb": LmdbBackend,
    "memcached": MemcachedBackend,
    "fsspec": FsspecBackend,
    "petrel": PetrelBackend,
}
prefix_to_backends: dict[str, Backend] = {
    "": LocalBackend,
    "file": LocalBackend,
    "http": HTTPBackend,
    "https": HTTPBackend,
    "petrel": PetrelBackend,
}
_made: dict[str, BaseStorageBackend] = {}


def register_backend(
    name: str,
    backend: Backend | None = None,
    force: bool = False,
    prefixes: str | list[str] | tuple[str, ...] | None = None,
) -> Any:
    """Register a storage backend, as a call or as a decorator.

    Parameters
    ----------
    force
        Whether to replace a backend of that name or scheme.
    prefixes
        The schemes of the URIs that it serves, without ``://``.

    Raises
    ------
    TypeError
        The name is no string, or the backend is no subclass of ``BaseStorageBackend``.
    ValueError
        The name or a scheme is taken and ``force`` is False.
    """
    if backend is not None:
        _register(name, backend, force, prefixes)
        return None

    def decorate(cls: B) -> B:
        _register(name, cls, force, prefixes)
        return cls

    decorator: Callable[[Backend], Backend] = decorate
    return decorator


def _register(
    name: str,
    backend: Backend,
    force: bool,
    prefixes: str | list[str] | tuple[str, ...] | None,
) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of a backend is a string, got {name!r}")
    if not (isinstance(backend, type) and issubclass(backend, BaseStorageBackend)):
        raise TypeError(f"a backend is a subclass of BaseStorageBackend, got {backend!r}")
    schemes = [prefixes] if isinstance(prefixes, str) else list(prefixes or ())
    if not force:
        for kind, taken, keys in (
            ("name", backends, [name]),
            ("scheme", prefix_to_backends, schemes),
        ):
            for key in keys:
                if (key in taken and taken[key] is not backend) or (
                    key == name and key in backends
                ):
                    raise ValueError(
                        f"the {kind} {key!r} is taken by {taken[key].__name__}; "
                        f"force=True replaces it"
                    )
    backends[name] = backend
    for scheme in schemes:
        prefix_to_backends[scheme] = backend
    _made.clear()


def scheme_of(uri: PathLike) -> str:
    """Return the scheme of a URI: ``s3`` for ``s3://a`` and for ``cluster:s3://a``."""
    match = re.match(r"(?:[^/]*:)?([A-Za-z][A-Za-z0-9+.\-]*)://", str(uri))
    return match.group(1) if match else ""


def get_file_backend(
    uri: PathLike | None = None,
    *,
    backend_args: dict[str, Any] | None = None,
    enable_singleton: bool = False,
) -> BaseStorageBackend:
    """Return the backend for a URI, or the one that ``backend_args`` names.

    Parameters
    ----------
    backend_args
        ``backend`` is a registered name; the rest goes to its constructor.
    enable_singleton
        Whether to hand out one backend for equal arguments.

    Raises
    ------
    TypeError
        ``backend_args`` is no dictionary.
    ValueError
        Neither a URI nor a name is given, or the name is unknown.
    """
    if not isinstance(backend_args, dict | None):
        raise TypeError(
            f'backend_args is a dictionary, such as {{"backend": …}}, got {backend_args!r}'
        )
    options = dict(backend_args or {})
    name = options.pop("backend", None)
    scheme = scheme_of(uri) if uri is not None else ""
    if name is None and uri is None:
        raise ValueError('give a uri, or backend_args={"backend": …}')
    key = f"{name}:{scheme}:{sorted(options.items(), key=str)}"
    if enable_singleton and key in _made:
        return _made[key]
    backend = _make(name, scheme, options)
    if enable_singleton:
        _made[key] = backend
    return backend


def _make(name: str | None, scheme: str, options: dict[str, Any]) -> BaseStorageBackend:
    if name is None:
        if scheme in prefix_to_backends:
            return prefix_to_backends[scheme](**options)
        return FsspecBackend(scheme, **options)
    if name not in backends:
        raise _UnknownBackendError(
            f"no backend is registered as {name!r}; known are {sorted(backends)}"
        )
    return backends[name](**options)


class _UnknownBackendError(KeyError, ValueError):
    """An unknown backend; a KeyError as MMEngine's, printed as a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])
