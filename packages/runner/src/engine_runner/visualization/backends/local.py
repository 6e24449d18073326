"""Scalars and config as files in the folder of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from torch import Tensor

from engine_config import Config
from engine_registry import VISBACKENDS

from .backend import BaseVisBackend


@VISBACKENDS.register_module()
class LocalVisBackend(BaseVisBackend):
    """Writes the config to a file, and a JSON object a line for scalars.

    Every line is valid JSON, and is with the system when the call returns: what ends the process
    loses none but the one being written. A file that is there is appended to; a line that a crash
    cut off is dropped first. A number that is not finite is written as the string ``"nan"``,
    ``"inf"`` or ``"-inf"``, which ``float`` reads.

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
        self._folder = Path(save_dir)
        self._img_save_dir = self._folder / img_save_dir
        self._config_save_file = self._folder / config_save_file
        self._scalar_save_file = self._folder / scalar_save_file
        self._files: dict[Path, TextIO] = {}

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
        self._folder.mkdir(parents=True, exist_ok=True)
        config.dump(str(self._config_save_file))

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
            _check_suffix("file_path", file_path, (".json",))
            files.append(self._folder / file_path)
            if files[0] == files[1]:
                raise ValueError(
                    f"file_path must not be the file of all scalars, {self._scalar_save_file}"
                )
        self._write({"step": step, **scalar_dict}, files)

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, items: dict[str, Any], files: list[Path]) -> None:
        step = items.pop("step")
        items["step"] = step
        line = json.dumps({key: _json(key, value) for key, value in items.items()}) + "\n"
        for path in files:
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = _open(path)
            file.write(line)
            file.flush()


def _open(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
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
