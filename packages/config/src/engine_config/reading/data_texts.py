"""JSON, YAML and TOML configs: their values, and where these stand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from engine_config.errors import (
    ConfigKeyError,
    ConfigLimitError,
    ConfigSyntaxError,
    ConfigTypeError,
    RepeatedKeyError,
)
from engine_config.formats import toml_codec, yaml_codec
from engine_config.origins.data_origins import toml_origins, yaml_origins
from engine_config.origins.json_origins import json_origins, repeated_key
from engine_config.reading.holes import without_holes
from engine_config.values.origins import Origin, Origins


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
        values = {"json": _json, "yaml": parse_yaml, "toml": _toml}[kind](text, file)
    except RepeatedKeyError as error:
        raise ConfigKeyError(str(error), Origin(file, *error.at)) from None
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


def data_origins(text: str, file: str, kind: str) -> dict[Any, Origins]:
    """Return where each value of a text of a kind stands."""
    find = {"json": json_origins, "toml": toml_origins, "yaml": yaml_origins}[kind]
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


def parse_yaml(text: str, file: str, load: Callable[[str], Any] = yaml_codec.load_config) -> Any:
    """Parse a YAML text, whatever it says."""
    try:
        return load(text)
    except yaml_codec.library().YAMLError as error:
        found = getattr(error, "problem_mark", None)
        at = Origin(file, found.line + 1, found.column + 1) if found else Origin(file, 1)
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
