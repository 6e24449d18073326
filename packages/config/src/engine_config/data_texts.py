"""JSON, YAML and TOML configs: their values, and where these stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine_config import toml_codec, yaml_codec
from engine_config.data_positions import toml_places, yaml_places
from engine_config.errors import ConfigLimitError, ConfigSyntaxError, ConfigTypeError
from engine_config.json_positions import json_places
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
    ConfigTypeError
        It is no mapping.
    """
    try:
        values = {"json": _json, "yaml": parse_yaml, "toml": _toml}[kind](text, file)
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


def _json(text: str, file: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = Origin(file, error.lineno, error.colno)
        raise ConfigSyntaxError(f"no JSON: {error.msg}; correct the syntax", at) from error
    except ValueError as error:  # an integer of too many digits
        raise ConfigSyntaxError(f"no JSON: {error}", Origin(file, 1)) from error


def parse_yaml(text: str, file: str) -> Any:
    """Parse a YAML text, whatever it says.

    Raises
    ------
    ConfigSyntaxError, ConfigLimitError
        As of `parse_data`.
    """
    import yaml

    try:
        return yaml_codec.load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = Origin(file, mark.line + 1, mark.column + 1) if mark else Origin(file, 1)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigSyntaxError(f"no YAML: {problem}; correct the syntax", at) from error
    except yaml_codec.BombError as error:
        raise ConfigLimitError(error.problem, Origin(file, error.line)) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        # PyYAML's constructors raise these for values such as a date of month 13.
        raise ConfigSyntaxError(f"no YAML: {error}", Origin(file, 1)) from error


def _toml(text: str, file: str) -> Any:
    try:
        return toml_codec.load(text)
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        at = Origin(file, int(found[1]) if found else text.count("\n") + 1)
        raise ConfigSyntaxError(f"no TOML: {error}; correct the syntax", at) from error
