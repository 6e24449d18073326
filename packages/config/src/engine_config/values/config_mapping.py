"""A config as a dictionary whose keys are attributes too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine_config.errors import ConfigKeyError
from engine_config.values.config_dict import ConfigDict, caller
from engine_config.values.origins import Origin

RESERVED_KEYS = ("filename", "text", "pretty_text", "env_variables")


class ConfigMapping:
    """Hands what is asked of a config to its values."""

    _cfg_dict: ConfigDict

    def __getattr__(self, name: str) -> Any:
        try:
            node = self.__dict__["_cfg_dict"]
        except KeyError:
            raise AttributeError(name) from None
        return getattr(node, name)

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_reserved({name: value}, caller())
        self._cfg_dict[name] = value

    def __delattr__(self, name: str) -> None:
        delattr(self._cfg_dict, name)

    def __getitem__(self, name: str) -> Any:
        return self._cfg_dict[name]

    def __setitem__(self, name: str, value: Any) -> None:
        refuse_reserved({name: value}, caller())
        self._cfg_dict[name] = value

    def __delitem__(self, name: str) -> None:
        del self._cfg_dict[name]

    def __contains__(self, name: object) -> bool:
        return name in self._cfg_dict

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cfg_dict)

    def __len__(self) -> int:
        return len(self._cfg_dict)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ConfigMapping):
            return bool(self._cfg_dict == other._cfg_dict)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"Config (path: {self.filename}): {self._cfg_dict!r}"


def values_of(config: ConfigMapping) -> ConfigDict:
    """Return the dictionary of a `Config`, itself and not a copy.

    >>> from engine_config import Config
    >>> cfg = Config({"lr": 0.1})
    >>> values_of(cfg)["lr"] = 0.2
    >>> cfg.lr
    0.2
    """
    return config._cfg_dict


def refuse_reserved(values: dict[Any, Any], at: Origin | None) -> None:
    """Raise if a key would hide an attribute of the config itself."""
    for key in RESERVED_KEYS:
        if key in values:
            raise ConfigKeyError(f"{key} is reserved for config file; rename the key", at)
