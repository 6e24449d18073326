"""JSON, YAML and TOML configs: their values, and where these stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine_config import toml_codec, yaml_codec
from engine_config.data_positions import toml_places, yaml_places
from engine_config.errors import (
    ConfigKeyError,
    ConfigLimitError,
    ConfigSyntaxError,
    ConfigTypeError,
    RepeatedKeyError,
)
from engine_config.json_positions import json_places, repeated_key
from engine_config.late import Late
from engine_config.origins import Origin
from engine_config.positions import Place
from engine_config.substitution import without_holes

if TYPE_CHECKING:
    import json
else:
    json = Late("json")


def parse_data(text: str, file: str, kind: str) -> dict[Any, Any]:
    """Parse a text of a kind.

    Raises
    ------
    ConfigSyntaxError
        It does not parse.
    ConfigLimitError
        It is nested too deep, or its aliases multiply beyond bounds.
    ConfigKeyError
        A key is given twice in one mapping.
    ConfigTypeError
        It is no mapping.
    """
    try:
        values = {"json": _json, "yaml": _yaml, "toml": _toml}[kind](text, file)
    except RepeatedKeyError as error:
        raise ConfigKeyError(str(error), Origin(file, *error.place)) from None
    except RecursionError:
        raise ConfigLimitError("nested too deep", Origin(file, 1)) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigTypeError(
            f"a config is a mapping of keys to values, got a {type(values).__name__}",
            Origin(file, 1),
        )
    return values


def data_places(text: str, file: str, kind: str) -> dict[Any, Place]:
    """Return where each value of a text of a kind stands."""
    find = {"json": json_places, "toml": toml_places, "yaml": yaml_places}[kind]
    return find(without_holes(text), file)


class _TwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary of pairs; raise where a key stands twice, as JSON's reader does not."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _TwiceError
    return values


def _json(text: str, file: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _TwiceError:
        raise repeated_key(text) or RepeatedKeyError("", 1, (1, 1)) from None
    except json.JSONDecodeError as error:
        at = Origin(file, error.lineno, error.colno)
        raise ConfigSyntaxError(f"no JSON: {error.msg}; correct the syntax", at) from error
    except ValueError as error:  # an integer of too many digits
        raise ConfigSyntaxError(f"no JSON: {error}", Origin(file, 1)) from error


def _yaml(text: str, file: str) -> Any:
    return parse_yaml(text, file, yaml_codec.load_config)


def parse_yaml(text: str, file: str, load: Callable[[str], Any] = yaml_codec.load) -> Any:
    """Parse a YAML text, whatever it says.

    Raises
    ------
    ConfigSyntaxError, ConfigLimitError
        As of `parse_data`.
    """
    import yaml

    try:
        return load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = Origin(file, mark.line + 1, mark.column + 1) if mark else Origin(file, 1)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigSyntaxError(f"no YAML: {problem}; correct the syntax", at) from error
    except yaml_codec.BombError as error:
        raise ConfigLimitError(error.problem, Origin(file, error.line)) from error
    except RepeatedKeyError:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        # PyYAML's constructors raise these for values such as a date of month 13.
        raise ConfigSyntaxError(f"no YAML: {error}", Origin(file, 1)) from error


def _toml(text: str, file: str) -> Any:
    try:
        return toml_codec.load(text)
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        at = Origin(file, int(found[1]) if found else text.count("\n") + 1)
        raise ConfigSyntaxError(f"no TOML: {error}; correct the syntax", at) from error
