"""Formats: JSON, YAML, TOML, and pickle for who asks for it."""

from __future__ import annotations

import json
import pickle
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import IO, Any, TypeVar

from engine_config.fileio.backend import PathLike
from engine_config.formats import json_codec, toml_codec, yaml_codec

H = TypeVar("H", bound="type[BaseFileHandler]")


class BaseFileHandler(metaclass=ABCMeta):
    """Reading and writing one format."""

    # Whether the format is text; else it is bytes.
    str_like = True

    @abstractmethod
    def load_from_fileobj(self, file: IO[Any], **kwargs: Any) -> Any:
        """Read a value from an open file."""

    @abstractmethod
    def dump_to_fileobj(self, obj: Any, file: IO[Any], **kwargs: Any) -> None:
        """Write a value to an open file."""

    @abstractmethod
    def dump_to_str(self, obj: Any, **kwargs: Any) -> str | bytes:
        """Return a value as text, or as bytes."""

    def load_from_path(self, filepath: PathLike, mode: str = "r", **kwargs: Any) -> Any:
        """Read a value from a local path."""
        with open(filepath, mode, encoding=None if "b" in mode else "utf-8") as file:
            return self.load_from_fileobj(file, **kwargs)

    def dump_to_path(self, obj: Any, filepath: PathLike, mode: str = "w", **kwargs: Any) -> None:
        """Write a value to a local path."""
        with open(filepath, mode, encoding=None if "b" in mode else "utf-8") as file:
            self.dump_to_fileobj(obj, file, **kwargs)


def _without_mark(text: Any) -> Any:
    """Return a text without the mark that some editors put before UTF-8."""
    return text.removeprefix("\ufeff") if isinstance(text, str) else text


class JsonHandler(BaseFileHandler):
    """JSON; sets, ranges and numpy's values become lists and numbers."""

    def load_from_fileobj(self, file: IO[Any]) -> Any:  # type: ignore[override]  # as MMEngine's
        """Read a value from an open file."""
        return json.loads(_without_mark(file.read()))

    def dump_to_fileobj(self, obj: Any, file: IO[Any], **kwargs: Any) -> None:
        """Write a value to an open file."""
        file.write(json_codec.dump(obj, **kwargs))

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Return a value as text."""
        return json_codec.dump(obj, **kwargs)


class YamlHandler(BaseFileHandler):
    """YAML, read and written with the safe loader and dumper."""

    def load_from_fileobj(self, file: IO[Any], **kwargs: Any) -> Any:
        """Read a value from an open file.

        Raises
        ------
        ValueError
            A ``Loader`` that could build objects is asked for, or the document's aliases
            multiply beyond bounds.
        """
        return yaml_codec.load(file.read(), **kwargs)

    def dump_to_fileobj(self, obj: Any, file: IO[Any], **kwargs: Any) -> None:
        """Write a value to an open file."""
        file.write(self.dump_to_str(obj, **kwargs))

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Return a value as text."""
        return yaml_codec.dump(obj, **kwargs)


class TomlHandler(BaseFileHandler):
    """TOML, to be read."""

    def load_from_fileobj(self, file: IO[Any], **kwargs: Any) -> Any:
        """Read a value from an open file."""
        text = file.read()
        text = text if isinstance(text, str) else text.decode()
        return toml_codec.load(_without_mark(text), **kwargs)

    def dump_to_fileobj(self, obj: Any, file: IO[Any], **kwargs: Any) -> None:
        """Raise: TOML is read, not written."""
        self.dump_to_str(obj)

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Raise: TOML is read, not written."""
        raise TypeError("TOML is read, not written; write JSON or YAML")


class PickleHandler(BaseFileHandler):
    """Pickle.  Reading one runs what it says: read only what you trust.

    `load` does so where the format is given; a pickle by its ending it reads as data.
    """

    str_like = False

    def load_from_fileobj(self, file: IO[bytes], **kwargs: Any) -> Any:
        """Read a value from an open file."""
        return pickle.load(file, **kwargs)

    def load_from_path(self, filepath: PathLike, mode: str = "rb", **kwargs: Any) -> Any:
        """Read a value from a local path."""
        return super().load_from_path(filepath, mode, **kwargs)

    def dump_to_fileobj(self, obj: Any, file: IO[bytes], **kwargs: Any) -> None:
        """Write a value to an open file."""
        pickle.dump(obj, file, **{"protocol": 2, **kwargs})

    def dump_to_str(self, obj: Any, **kwargs: Any) -> bytes:
        """Return a value as bytes."""
        return pickle.dumps(obj, **{"protocol": 2, **kwargs})

    def dump_to_path(self, obj: Any, filepath: PathLike, mode: str = "wb", **kwargs: Any) -> None:
        """Write a value to a local path."""
        super().dump_to_path(obj, filepath, mode, **kwargs)


file_handlers: dict[str, BaseFileHandler] = {
    "json": JsonHandler(),
    "yaml": YamlHandler(),
    "yml": YamlHandler(),
    "toml": TomlHandler(),
    "pickle": PickleHandler(),
    "pkl": PickleHandler(),
}


def register_handler(file_formats: str | list[str], **kwargs: Any) -> Callable[[H], H]:
    """Register a class as the handler of formats, as a decorator.

    Raises
    ------
    TypeError
        A format is no string, or the class is no subclass of ``BaseFileHandler``.
    """
    formats = [file_formats] if isinstance(file_formats, str) else file_formats
    if not all(isinstance(name, str) for name in formats):
        raise TypeError(f"a format is a string, got {file_formats!r}")

    def decorate(cls: H) -> H:
        if not issubclass(cls, BaseFileHandler):
            raise TypeError(f"a handler is a subclass of BaseFileHandler, got {cls!r}")
        for name in formats:
            file_handlers[name] = cls(**kwargs)
        return cls

    return decorate
