"""Scalars and config as files in the folder of the run."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine_config import Config
from engine_registry import VISBACKENDS
from engine_runner.logging.outages import going_on_without

from .backend import BaseVisBackend, RunPlace
from .lines import count_lines, take_back
from .png import as_png


@VISBACKENDS.register_module()
class LocalVisBackend(BaseVisBackend):
    """Writes the config to a file, pictures to others, and a JSON object a line for scalars.

    Every line is valid JSON, and is with the system when the call returns: what ends the process
    loses none but the one being written. A file that is there is appended to; a line that a crash
    cut off is dropped first. A number that is not finite is written as the string ``"nan"``,
    ``"inf"`` or ``"-inf"``, which ``float`` reads.
    Where nothing can be written, on a full disk, that is logged once, and tried again at each line.

    Parameters
    ----------
    save_dir : str
        The folder; made when something is written.
    img_save_dir : str
        The folder below it for images.
    config_save_file : str
        The name of the config's file: ``.py``, ``.json``, ``.yml`` or ``.yaml``.
    scalar_save_file : str
        The name of the scalars' file: ``.json``.

    Raises
    ------
    ValueError
        If a file has another suffix.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     backend = LocalVisBackend(folder)
    ...     backend.add_scalar("loss", 0.5, step=1)
    ...     backend.close()
    ...     print((Path(folder) / "scalars.json").read_text().strip())
    {"loss": 0.5, "step": 1}
    """

    def __init__(
        self,
        save_dir: str,
        img_save_dir: str = "vis_image",
        config_save_file: str = "config.py",
        scalar_save_file: str = "scalars.json",
    ) -> None:
        super().__init__(save_dir)
        _check_suffix("config_save_file", config_save_file, (".py", ".json", ".yml", ".yaml"))
        _check_suffix("scalar_save_file", scalar_save_file, (".json",))
        self._names = img_save_dir, config_save_file, scalar_save_file
        self._settle(save_dir)
        self._files: dict[Path, TextIO] = {}
        weakref.finalize(self, _close_all, self._files)  # of a run that nobody closed
        self._others: dict[str, Path] = {}
        self._told: set[str] = set()

    def _settle(self, save_dir: str) -> None:
        self._save_dir = save_dir
        self._folder = Path(save_dir)
        images, config, scalars = self._names
        self._img_save_dir = self._folder / images
        self._config_save_file = self._folder / config
        self._scalar_save_file = self._folder / scalars

    @property
    def rows(self) -> int:
        """How many lines the file of all scalars has."""
        return count_lines(self._scalar_save_file)

    def resume(self, place: RunPlace) -> None:
        """Go on in the files of the run, without the lines that came after the checkpoint."""
        self.close()
        self._others.clear()
        self._settle(place.save_dir)
        copies = [p for p in self._folder.glob("*.json") if p != self._scalar_save_file]
        with going_on_without(self._scalar_save_file, self._told):
            take_back(self._scalar_save_file, place.rows, copies)

    @property
    def experiment(self) -> LocalVisBackend:
        """The backend itself."""
        return self

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Write the config, as it is after all merging, with :meth:`Config.dump`.

        Raises
        ------
        TypeError
            If it is no ``Config``.
        """
        if not isinstance(config, Config):
            raise TypeError(f"config must be a Config, got {type(config).__name__}")
        with going_on_without(self._config_save_file, self._told):
            self._folder.mkdir(parents=True, exist_ok=True)
            config.dump(str(self._config_save_file))

    def add_image(self, name: str, image: npt.NDArray[Any], step: int = 0, **kwargs: Any) -> None:
        """Write a picture to ``<name>_<step>.png`` in the folder for images.

        Parameters
        ----------
        name : str
            A name with slashes is that of a folder, too.
        image : ndarray of uint8
            Of shape (height, width, 3), RGB; also grey, and with alpha.
        step : int

        Raises
        ------
        TypeError, ValueError
            If it is of another type or shape.
        """
        content = as_png(image)
        file = self._img_save_dir / f"{name}_{step}.png"
        with going_on_without(self._img_save_dir, self._told):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def add_scalar(self, name: str, value: float | Tensor, step: int = 0, **kwargs: Any) -> None:
        """Write a line with one scalar and its step.

        Raises
        ------
        TypeError
            If the value is no scalar, or something else that JSON cannot hold.
        """
        self._write({name: value, "step": step}, [self._scalar_save_file])

    def add_scalars(
        self,
        scalar_dict: Mapping[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a line with several scalars and their step, which an item ``step`` overrides.

        Parameters
        ----------
        scalar_dict : mapping
        step : int
        file_path : str, optional
            The name of another ``.json`` file in the folder that takes the line besides.

        Raises
        ------
        TypeError
            As :meth:`add_scalar`, or if it is no mapping.
        ValueError
            If ``file_path`` has another suffix or is the file of all scalars.
        """
        if not isinstance(scalar_dict, Mapping):
            raise TypeError(f"scalar_dict must be a dict, got {type(scalar_dict).__name__}")
        files = [self._scalar_save_file]
        if file_path is not None:
            files.append(self._others.get(file_path) or self._other(file_path))
        self._write({"step": step, **scalar_dict}, files)

    def _other(self, name: str) -> Path:
        """Return the path of another file of scalars; looked at once for all its lines."""
        _check_suffix("file_path", name, (".json",))
        path = self._folder / name
        if path == self._scalar_save_file:
            raise ValueError(f"file_path must not be the file of all scalars, {path}")
        self._others[name] = path
        return path

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        for path in list(self._files):
            self._close(path)

    def _write(self, items: dict[str, Any], files: list[Path]) -> None:
        step = items.pop("step")
        items["step"] = step
        try:
            line = _encode(items) + "\n"
        except (TypeError, ValueError):  # what JSON cannot hold as it is
            line = _encode({key: _json(key, value) for key, value in items.items()}) + "\n"
        for path in files:
            try:
                self._append(path, line)
            except OSError:
                with going_on_without(path, self._told):
                    raise

    def _append(self, path: Path, line: str) -> None:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _open(path)
        try:
            file.write(line)
            file.flush()
        except OSError:
            self._close(path)  # the next line drops what was cut off
            raise

    def _close(self, path: Path) -> None:
        with suppress(OSError):  # of what could not be written before, either
            self._files.pop(path).close()


# ready to use: one that is made for each line costs more than the line
_encode = json.JSONEncoder(allow_nan=False).encode


def _close_all(files: Mapping[Path, TextIO]) -> None:
    for file in files.values():
        with suppress(OSError):
            file.close()


def _open(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():  # a device or a pipe has no line to mend
        _drop_cut_line(path)
    return path.open("a", encoding="utf-8")


def _drop_cut_line(path: Path) -> None:
    """Shorten a file to its last whole line."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end:
            start = max(end - 65536, 0)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)


def _json(name: str, value: Any) -> Any:
    """Return what JSON holds of a value: a number, a string, or lists and dicts of them."""
    if isinstance(value, Tensor):
        value = value.item() if value.numel() == 1 else value.tolist()
    elif isinstance(value, np.ndarray | np.generic):
        value = value.item() if value.size == 1 else value.tolist()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): _json(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(name, item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{name}: {type(value).__name__} cannot be written as a scalar: {value!r:.80}")


def _check_suffix(parameter: str, name: str, allowed: tuple[str, ...]) -> None:
    if Path(name).suffix not in allowed:
        raise ValueError(f"{parameter} must end with {' or '.join(allowed)}, got {name!r}")
