"""``Config``: a configuration and where it came from."""

from __future__ import annotations

import copy
import difflib
import os
from argparse import ArgumentParser
from typing import Any

from engine_config.errors import ConfigFormatError, ConfigKeyError
from engine_config.formats import atomic
from engine_config.overriding import auto_parser, overrides
from engine_config.overriding.dotted_keys import item_of, missing_part
from engine_config.overriding.merge import merge, nested
from engine_config.reading import custom_imports, texts
from engine_config.reading.reader import Reader
from engine_config.reading.source import Source, format_of
from engine_config.strangers.limits import Limits
from engine_config.values.config_dict import ConfigDict, caller, give_origins, too_deep
from engine_config.values.config_mapping import RESERVED_KEYS, ConfigMapping, refuse_reserved
from engine_config.values.dict_origins import Record, is_trusted
from engine_config.values.origins import Origin, Path
from engine_config.values.provenance import build, chain_of, give_origins_along, note_change
from engine_config.writing import data_forms, pretty


class Config(ConfigMapping):
    """A configuration: nested values read by attribute, and where they came from.

    Parameters
    ----------
    cfg_dict
        The values.
    cfg_text
        The text that they were read from.
    filename
        The file that they were read from; its text is read where none is given.
    env_variables
        The environment variables that the file used.
    format_python_code
        Taken for compatibility: the printer always formats.

    Raises
    ------
    TypeError
        ``cfg_dict`` is no dictionary.
    ConfigKeyError
        It has a key that is an attribute of every config, such as ``filename``.

    Examples
    --------
    >>> cfg = Config(dict(optimizer=dict(type="SGD", lr=0.1)))
    >>> cfg.optimizer.lr
    0.1
    >>> print(cfg.pretty_text, end="")
    optimizer = dict(type='SGD', lr=0.1)
    """

    def __init__(
        self,
        cfg_dict: dict[Any, Any] | None = None,
        cfg_text: str | None = None,
        filename: str | os.PathLike[str] | None = None,
        env_variables: dict[str, Any] | None = None,
        format_python_code: bool = True,
    ) -> None:
        values: Any = {} if cfg_dict is None else cfg_dict
        if not isinstance(values, dict):
            raise TypeError(f"cfg_dict must be a dict, but got {type(values)}")
        refuse_reserved(values, None)
        record = Record()
        node = ConfigDict(values)
        try:
            give_origins(node, record)
        except RecursionError:
            raise too_deep() from None
        if not cfg_text and filename is not None:
            cfg_text = texts.read_text(os.fspath(filename), None)
        self._set(node, record, cfg_text, filename, env_variables, format_python_code)

    def _set(
        self,
        node: ConfigDict,
        record: Record,
        text: str | None,
        filename: str | os.PathLike[str] | None,
        env_variables: dict[str, Any] | None,
        format_python_code: bool = True,
    ) -> None:
        self.__dict__.update(
            _cfg_dict=node,
            _record=record,
            _text=text,
            _filename=None if filename is None else os.fspath(filename),
            _env_variables=env_variables or {},
            _format_python_code=format_python_code,
            _imported={},
        )

    # ------------------------------------------------------------------------ reading

    @staticmethod
    def fromfile(
        filename: str | os.PathLike[str],
        use_predefined_variables: bool = True,
        import_custom_modules: bool = True,
        use_environment_variables: bool = True,
        lazy_import: bool | None = None,
        format_python_code: bool = True,
        *,
        trusted: bool = True,
        limits: Limits | None = None,
    ) -> Config:
        """Read a config file, ``.py``, ``.yaml``, ``.json`` or ``.toml``, and its bases.

        Parameters
        ----------
        use_predefined_variables
            Whether ``{{ fileDirname }}`` and its like are filled in.
        import_custom_modules
            Whether the modules of ``custom_imports`` are imported.
        use_environment_variables
            Whether ``{{ $NAME:default }}`` is filled in.
        lazy_import
            Whether a Python config is of the lazy style; ``None`` finds out.
        trusted
            False reads it, of whatever format, as data and in a process of its own: nothing of it
            runs or is imported.
        limits
            What reading may take and see where it is not trusted; ``None`` is `Limits()`.

        Raises
        ------
        ConfigError
            One of its kinds: what is wrong, where, and the remedy.
        TypeError
            Where ``trusted`` is no bool.
        """
        reader = Reader(trusted, use_predefined_variables, use_environment_variables, lazy_import)
        source = reader.source_of(filename, limits)
        return _from_source(source, filename, trusted, format_python_code, import_custom_modules)

    @staticmethod
    def fromstring(
        cfg_str: str,
        file_format: str,
        *,
        import_custom_modules: bool = True,
        trusted: bool = True,
        limits: Limits | None = None,
    ) -> Config:
        """Read a config from a text in the format of a file's ending, such as ``.py``.

        >>> Config.fromstring("a: {b: 1}", ".yaml").a.b
        1

        Raises
        ------
        ConfigError
            One of its kinds, as of ``fromfile``.
        """
        source = Reader(trusted).source_of_text(cfg_str, file_format, limits)
        return _from_source(source, None, trusted, True, import_custom_modules)

    @staticmethod
    def auto_argparser(description: str | None = None) -> tuple[ArgumentParser, Config]:
        """Return a parser with an argument for each value of the config, and the config.

        The config is the command line's first argument.
        """
        parser, path = auto_parser.config_parser(description)
        cfg = Config.fromfile(path)
        auto_parser.add_arguments(parser, cfg._cfg_dict)
        return parser, cfg

    @staticmethod
    def diff(cfg1: str | Config, cfg2: str | Config) -> str:
        """Return how the printed texts of two configs, or of two files, differ by line."""
        one, other = (
            (Config.fromfile(cfg) if isinstance(cfg, str | os.PathLike) else cfg).pretty_text
            for cfg in (cfg1, cfg2)
        )
        lines = difflib.unified_diff(one.split("\n"), other.split("\n"), lineterm="")
        return "".join(f"{line}\n" for line in lines)

    # --------------------------------------------------------------------- provenance

    def provenance(self, key: str) -> list[Origin]:
        """Return where a value was set, by its dotted key, the one in force last.

        Raises
        ------
        ConfigKeyError
            There is no such value.
        """
        try:
            path, _ = item_of(self._cfg_dict, key)
        except KeyError as error:
            part, node = error.args
            raise ConfigKeyError(
                f"the config has no {key!r}: {missing_part(part, node)}"
            ) from None
        return chain_of(self._cfg_dict, path)

    @property
    def filename(self) -> str | None:
        """The file that was read."""
        return self.__dict__["_filename"]  # type: ignore[no-any-return]  # of fields by name

    @property
    def text(self) -> str:
        """The text of the bases and of the file."""
        fields = self.__dict__
        if fields["_text"] is None:
            source = fields["_record"].source
            return "" if source is None else str(source.full_text)
        return str(fields["_text"])

    @property
    def env_variables(self) -> dict[str, Any]:
        """The environment variables that the file used."""
        return self.__dict__["_env_variables"]  # type: ignore[no-any-return]  # of fields by name

    # ------------------------------------------------------------------------ writing

    @property
    def pretty_text(self) -> str:
        """The config as Python source that reads back as the same config."""
        return pretty.render(self._cfg_dict, self._origin_of)

    def dump(self, file: str | os.PathLike[str] | None = None) -> str | None:
        """Write the config in the format of the file's ending, whole or not at all.

        Without a file, return the text, in the format of the file that was read.

        Raises
        ------
        ConfigDumpError
            A value has no form in the format.
        """
        name = self.filename if file is None else file
        try:
            kind = "python" if name is None else format_of(os.fspath(name))
        except ConfigFormatError:
            if file is not None:
                raise
            kind = "python"
        text = self.pretty_text if kind == "python" else self.as_text(kind)
        if file is None:
            return text
        atomic.write_whole(file, text.encode())
        return None

    def _origin_of(self, path: Path) -> Origin | None:
        return next(reversed(chain_of(self._cfg_dict, path)), None)

    def as_text(self, kind: str) -> str:
        """Return the config as ``json`` or ``yaml``: tuples as lists, classes as dotted names.

        Raises
        ------
        ConfigDumpError
            A value has no form in the format.
        """
        return data_forms.data_text(self._cfg_dict, kind, self._origin_of)

    def merge_from_dict(self, options: dict[str, Any], allow_list_keys: bool = True) -> None:
        """Merge values in by dotted keys.

        Parameters
        ----------
        options
            Such as ``{"model.depth": 50, "pipeline.0.type": "Load"}``, or what ``DictAction``
            collected, whose values are then typed by those that they replace.
        allow_list_keys
            Whether a number in a key means an item of a list.

        Raises
        ------
        ConfigTypeError, ConfigKeyError, ConfigOverrideError
            One cannot be applied; the config is as it was.

        Examples
        --------
        >>> cfg = Config(dict(model=dict(depth=18), steps=[1, 2]))
        >>> cfg.merge_from_dict({"model.depth": 50, "steps.1": 3})
        >>> cfg.model.depth, cfg.steps
        (50, [1, 3])
        """
        if isinstance(options, overrides.CommandLine):
            self._apply(options.as_given(), allow_list_keys)
            options = options.changed_since()
        if not hasattr(options, "items"):
            raise TypeError(f"options is a dictionary of dotted keys, got {options!r}")
        try:
            self._merge(options, allow_list_keys)
        except RecursionError:
            raise too_deep() from None

    def _merge(self, options: dict[str, Any], allow_list_keys: bool) -> None:
        tree, paths = nested(options)
        refuse_reserved(tree, None)
        changes = ConfigDict(tree)  # so that the values put in are ConfigDicts, too
        give_origins(changes, Record(is_trusted(options)))
        root = merge(changes, self._cfg_dict, allow_list_keys=allow_list_keys)
        origin = caller()
        for path in paths:
            give_origins_along(root, path)
            note_change(root, path, origin, self._cfg_dict)
        self.__dict__["_cfg_dict"] = root

    def _apply(self, items: list[str], allow_list_keys: bool = True) -> None:
        root, changes = overrides.apply_to(self._cfg_dict, items, allow_list_keys)
        refuse_reserved(root, None)
        self.__dict__["_cfg_dict"] = root
        custom_imports.import_overridden(root, changes, self.filename)

    def to_dict(self, keep_imported: bool = False) -> dict[str, Any]:
        """Return plain dictionaries, lists and tuples, lazy values as dotted names.

        They do not know any more where they came from, nor whether that is trusted.

        Parameters
        ----------
        keep_imported
            Whether to add the names that a lazy-style config imports.
        """
        values: dict[str, Any] = self._cfg_dict.to_dict()
        if keep_imported:
            return {**self.__dict__["_imported"], **values}
        return values

    def copy(self) -> Config:
        """Return a config of its own that shares the nested values."""
        return self.__copy__()

    def __copy__(self) -> Config:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, _cfg_dict=self._cfg_dict.copy())
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Config:
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(self.__dict__, _cfg_dict=copy.deepcopy(self._cfg_dict, memo))
        return other

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _from_source(
    source: Source,
    filename: str | os.PathLike[str] | None,
    trusted: bool,
    format_python_code: bool,
    import_modules: bool,
) -> Config:
    for key in RESERVED_KEYS:
        if key in source.values:
            refuse_reserved(source.values, source.locate((key,)))
    cfg = Config.__new__(Config)
    record = Record(trusted, source)
    node = build(source.values, record)
    cfg._set(node, record, None, filename, source.environment, format_python_code)
    cfg.__dict__["_imported"] = {
        name: getattr(value, "dotpath", None) or getattr(value, "__name__", name)
        for name, value in source.imported.items()
    }
    if import_modules and trusted:
        custom_imports.import_custom(source, node)
    source.forget_values()
    return cfg
