"""What each verb of the command does."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine_config.cli.modernize import import_types
from engine_config.config import Config
from engine_config.data_forms import json_text, listed
from engine_config.dotted_keys import item_of
from engine_config.errors import ConfigDumpError, ConfigError, ConfigKeyError, ConfigWarning
from engine_config.late import Late
from engine_config.origins import Origin
from engine_config.overrides import apply_overrides
from engine_config.sources import FORMATS

if TYPE_CHECKING:  # what only one verb needs
    import pathlib

    from engine_config import diff as differing
else:
    pathlib = Late("pathlib")
    differing = Late("engine_config.diff")


def _read(path: str, options: argparse.Namespace) -> Config:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConfigWarning)
        cfg = Config.fromfile(path, import_custom_modules=False, trusted=not options.untrusted)
    for one in said:
        print(f"engine-config: warning: {one.message}", file=sys.stderr)
    apply_overrides(cfg, getattr(options, "cfg_options", []))
    return cfg


def show(options: argparse.Namespace) -> int:
    """Print a configuration."""
    cfg = _read(options.config, options)
    text = cfg.pretty_text if options.format == "py" else cfg.as_text(options.format)
    if options.color == "always" or (options.color == "auto" and sys.stdout.isatty()):
        _print_coloured(text, {"py": "python"}.get(options.format, options.format))
    else:
        print(text.rstrip("\n"))
    return 0


def _print_coloured(text: str, language: str) -> None:
    from rich.console import Console  # only a terminal needs it
    from rich.syntax import Syntax

    # Plain words in the terminal's own colour: they are to be read on white as on black.
    syntax = Syntax("", language, theme="ansi_dark", background_color="default")
    coloured = syntax.highlight(text.rstrip("\n"))
    coloured.rstrip()
    Console(force_terminal=True).print(coloured, soft_wrap=True)  # a line stays one


def get(options: argparse.Namespace) -> int:
    """Print one value as JSON."""
    cfg = _read(options.config, options)
    cfg.provenance(options.key)  # names the part of the key that is not there
    _, value = item_of(cfg.to_dict(), options.key)  # with what is lazy by name
    try:
        print(json_text(listed(value, other=lambda one, _: repr(one))))
    except (TypeError, ValueError) as error:
        raise ConfigDumpError(f"{options.key} cannot be written as JSON: {error}") from error
    return 0


def explain(options: argparse.Namespace) -> int:
    """Print where a value was set and overridden."""
    places = _read(options.config, options).provenance(options.key)
    if not places:
        raise ConfigKeyError(f"where {options.key!r} was set is not known")
    *before, last = places
    print(f"{_exactly(last)}  (in force)")
    for place in reversed(before):
        print(_exactly(place))
    return 0


def _exactly(place: Origin) -> str:
    """Return a place in a file as ``file:line:column``, which terminals and editors open."""
    return f"{place}:{place.column}" if place.line else str(place)


def diff(options: argparse.Namespace) -> int:
    """Print what differs between two configurations."""
    found = differing.differences(_read(options.old, options), _read(options.new, options))
    for difference in found:
        print(difference)
    return 1 if found else 0


def convert(options: argparse.Namespace) -> int:
    """Write a configuration in another form."""
    if options.target != "-":
        _refuse_folder(options.target)
    cfg = _read(options.config, options)
    if options.lazy is not None:
        for name in import_types(cfg, options.lazy):
            print(f"engine-config: left as a string: type={name!r}", file=sys.stderr)
    if options.target == "-":
        print(cfg.pretty_text, end="")
    else:
        cfg.dump(options.target)
    return 0


def _refuse_folder(target: str) -> None:
    """Raise where a file cannot be written, before anything is read."""
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise ConfigDumpError(f"{target} is a folder; name a file in it")
    if folder and not os.path.isdir(folder):
        raise ConfigDumpError(f"{target} cannot be written: there is no folder {folder}; make it")


def check(options: argparse.Namespace) -> int:
    """Read every file; print the faults and a count."""
    count = faults = 0
    for path in _files(options.paths):
        count += 1
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ConfigWarning)
            try:
                Config.fromfile(path, import_custom_modules=False, trusted=not options.untrusted)
            except ConfigError as error:
                faults += 1
                print(error if error.origin else f"{path}: {error}")
        for one in said:
            if issubclass(one.category, ConfigWarning):
                faults += 1
                print(one.message)
    print(f"{count} files read, {faults} with faults")
    return 1 if faults else 0


def _files(paths: list[str]) -> Iterator[pathlib.Path]:
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            hidden = any(part.startswith((".", "__")) for part in found.relative_to(path).parts)
            if found.suffix in FORMATS and found.is_file() and not hidden:
                yield found
