"""``FileClient``: the older door to the storage backends."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from engine_config.fileio.backend import BaseStorageBackend, PathLike
from engine_config.fileio.registry import get_file_backend, register_backend, scheme_of

P = ParamSpec("P")
R = TypeVar("R")


def _of_its_backend(
    method: Callable[Concatenate[BaseStorageBackend, P], R],
) -> Callable[Concatenate[FileClient, P], R]:
    """Return a method that does what the client's backend does."""

    @wraps(method)
    def delegated(self: FileClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        found: Callable[P, R] = getattr(self.client, method.__name__)
        return found(*args, **kwargs)

    return delegated


class FileClient:
    """A backend by name or by scheme; new code calls the functions of ``engine_config.fileio``.

    Parameters
    ----------
    backend
        A registered name; ``disk`` is ``local``, which is the default.
    prefix
        A scheme, where no name is given.
    **kwargs
        For the backend.
    """

    def __init__(
        self, backend: str | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        name = "local" if backend == "disk" or (backend is None and prefix is None) else backend
        args = kwargs if name is None else {"backend": name, **kwargs}
        self.client: BaseStorageBackend = get_file_backend(
            f"{prefix}://" if prefix else "", backend_args=args, enable_singleton=True
        )

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.client.name

    @property
    def allow_symlink(self) -> bool:
        """Whether the storage knows symbolic links."""
        return self.client.allow_symlink

    @staticmethod
    def parse_uri_prefix(uri: PathLike) -> str | None:
        """Return the scheme of a URI, ``None`` without one."""
        return scheme_of(uri) or None

    @classmethod
    def infer_client(
        cls, file_client_args: dict[str, Any] | None = None, uri: PathLike | None = None
    ) -> FileClient:
        """Return the client for arguments, or for a URI."""
        if file_client_args is None:
            return cls(prefix=None if uri is None else cls.parse_uri_prefix(uri))
        return cls(**file_client_args)

    @classmethod
    def register_backend(
        cls,
        name: str,
        backend: type[BaseStorageBackend] | None = None,
        force: bool = False,
        prefixes: str | list[str] | tuple[str, ...] | None = None,
    ) -> Any:
        """Register a storage backend, as a call or as a decorator."""
        return register_backend(name, backend, force, prefixes)

    get = _of_its_backend(BaseStorageBackend.get)
    get_text = _of_its_backend(BaseStorageBackend.get_text)
    put = _of_its_backend(BaseStorageBackend.put)
    put_text = _of_its_backend(BaseStorageBackend.put_text)
    remove = _of_its_backend(BaseStorageBackend.remove)
    exists = _of_its_backend(BaseStorageBackend.exists)
    isdir = _of_its_backend(BaseStorageBackend.isdir)
    isfile = _of_its_backend(BaseStorageBackend.isfile)
    join_path = _of_its_backend(BaseStorageBackend.join_path)
    get_local_path = _of_its_backend(BaseStorageBackend.get_local_path)
    list_dir_or_file = _of_its_backend(BaseStorageBackend.list_dir_or_file)


def backend_for(
    uri: PathLike, file_client_args: dict[str, Any] | None, backend_args: dict[str, Any] | None
) -> BaseStorageBackend:
    """Return the backend for a URI, of the arguments under their old name or their new one."""
    if file_client_args is not None and backend_args is not None:
        raise ValueError(
            f"file_client_args ({file_client_args!r}) is the old name of backend_args "
            f"({backend_args!r}): give one, not both"
        )
    if file_client_args:
        return FileClient(**file_client_args).client
    return get_file_backend(uri, backend_args=backend_args, enable_singleton=True)
