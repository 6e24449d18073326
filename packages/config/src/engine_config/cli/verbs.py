"""What each verb of the command does."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import warnings
from collections.abc import Iterator

from engine_config.cli.modernize import import_types
from engine_config.config import Config
from engine_config.errors import (
    ConfigDumpError,
    ConfigError,
    ConfigKeyError,
    ConfigSecurityError,
    ConfigWarning,
)
from engine_config.overriding.dotted_keys import item_of
from engine_config.overriding.overrides import apply_overrides
from engine_config.reading.source import FORMATS
from engine_config.strangers.limits import Limits
from engine_config.values.origins import Origin
from engine_config.visible import visible
from engine_config.writing import diff as differing
from engine_config.writing.data_forms import json_text, listed


def _read(path: str, options: argparse.Namespace) -> Config:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConfigWarning)
        cfg = _from_file(path, options)
    for one in said:
        print(f"engine-config: warning: {one.message}", file=sys.stderr)
    apply_overrides(cfg, getattr(options, "cfg_options", []))
    return cfg


def _from_file(path: str | os.PathLike[str], options: argparse.Namespace) -> Config:
    limits = None
    if not options.untrusted and (options.allow_folder or options.allow_variable):
        raise ConfigSecurityError(
            "--allow-folder and --allow-variable bound nothing without --untrusted: the file would "
            "run as a program; add --untrusted, or leave them out"
        )
    if options.untrusted:
        limits = Limits(folders=options.allow_folder, environment=options.allow_variable)
    return Config.fromfile(
        path, import_custom_modules=False, trusted=not options.untrusted, limits=limits
    )


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
    origins = _read(options.config, options).provenance(options.key)
    if not origins:
        raise ConfigKeyError(f"where {options.key!r} was set is not known")
    *before, last = origins
    print(f"{_exactly(last)}  (in force)")
    for origin in reversed(before):
        print(_exactly(origin))
    return 0


def _exactly(origin: Origin) -> str:
    """Return an origin as ``file:line:column``, which terminals and editors open."""
    return visible(f"{origin}:{origin.column}" if origin.line else str(origin))


def diff(options: argparse.Namespace) -> int:
    """Print what differs between two configurations."""
    found = differing.differences(_read(options.old, options), _read(options.new, options))
    for difference in found:
        print(visible(str(difference)))
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
                _from_file(path, options)
            except ConfigError as error:
                faults += 1
                told = error.for_commands()
                print(told if error.origin else visible(f"{path}: {told}"))
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
