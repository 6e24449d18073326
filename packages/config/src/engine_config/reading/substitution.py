"""``{{ fileDirname }}``, ``{{ $NAME:default }}`` and ``{{ _base_.a.b }}``.

A hole that stands for a whole value keeps the value's type; one within a string becomes text.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from engine_config.errors import ConfigSecurityError, ConfigSubstitutionError
from engine_config.near_names import hint
from engine_config.reading.holes import HOLE
from engine_config.reading.source import Source
from engine_config.reading.syntax import NO_LITERAL, syntax_tree
from engine_config.values.config_dict import ConfigDict
from engine_config.values.origins import Origin

_STRING = (
    r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
)
_TOKENS = {
    "python": rf"(?P<hole>{HOLE})|(?P<comment>\#[^\n]*)|(?P<string>[rRbBuUfF]{{0,2}}(?:{_STRING}))",
    "json": rf'(?P<hole>{HOLE})|(?P<comment>(?!))|(?P<string>"(?:\\.|[^"\\\n])*")',
    "yaml": rf"(?P<hole>{HOLE})|(?P<comment>(?:^|(?<=\s))\#[^\n]*)"
    rf'|(?P<string>(?<!\w)(?:"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'))',
    "toml": rf"(?P<hole>{HOLE})|(?P<comment>\#[^\n]*)|(?P<string>{_STRING})",
}
_ENVIRONMENT = r"(?s)\$\s*([A-Za-z_]\w*)\s*(?::(.*))?"
_F_STRING = re.compile(r"\b(?:[fF][rR]?|[rR][fF])['\"]")
_PROBE = "__hole_text__"
# Stands in a data text for a value that is put in once the text is parsed.
_TOKEN = "\ue000(\\d+)\ue001"
_FILE_VARIABLES: dict[str, Callable[[str], str]] = {
    "fileDirname": lambda file: os.path.dirname(file).replace(os.sep, "/"),
    "fileBasename": os.path.basename,
    "fileBasenameNoExtension": lambda file: os.path.splitext(os.path.basename(file))[0],
    "fileExtname": lambda file: os.path.splitext(file)[1],
}


class _FromBase(NamedTuple):
    """A hole of a data text, until its bases are read."""

    name: str
    at: Origin


class Substitution:
    """What fills the holes of one file.

    Attributes
    ----------
    base
        The values of the bases, for ``{{ _base_.a.b }}``.
    values
        Values put in: a Python text names the i-th ``__hole_i__``, a data text holds a token.
    environment
        The environment variables that were used.
    """

    def __init__(
        self,
        file: str,
        base: dict[Any, Any] | None = None,
        file_variables: bool = True,
        environment_variables: bool = True,
        variables: tuple[str, ...] | None = None,
    ) -> None:
        self.file = file
        self.base: dict[Any, Any] = base or {}
        self.file_variables = file_variables
        self.environment_variables = environment_variables
        self.variables = variables  # those that it may ask for, where not for all
        self.values: list[Any] = []
        self.environment: dict[str, str] = {}

    def substitute(self, source: Source) -> None:
        """Fill the holes of a source whose bases are read."""
        if source.kind == "python":
            if "_base_" in source.rest:
                source.values = self.base = ConfigDict(source.below())
                source.scope = {"_base_": self.base}
            if "{{" in source.rest:
                source.rest = self.python(source.rest)
                source.scope.update(self.scope())
        elif self.values:  # of a data text
            self.base = source.below()
            source.own = self.finish(source.own)
        source.environment.update(self.environment)

    # ------------------------------------------------------------------- Python texts

    def python(self, text: str) -> str:
        """Fill the holes of a Python text."""
        if _F_STRING.search(text):
            self._refuse_code(text)
        return self._filled(text, _escape)

    def scope(self) -> dict[str, Any]:
        """Return the names that a Python text was given for its holes."""
        return {f"__hole_{i}__": value for i, value in enumerate(self.values)}

    def _refuse_code(self, text: str) -> None:
        """Raise where what a hole of a string holds would be read as code: within ``f'{…}'``."""
        probed = syntax_tree(self._filled(text, lambda _: _PROBE), self.file)
        self.values.clear()
        for node in ast.walk(probed):
            names = [value for value in vars(node).values() if isinstance(value, str)]
            if not isinstance(node, ast.Constant) and any(_PROBE in name for name in names):
                raise ConfigSubstitutionError(
                    "a hole stands within an expression of an f-string, where its text would be "
                    "code; assign it to a name, and use that",
                    Origin(self.file, getattr(node, "lineno", 1)),
                )

    def _filled(self, text: str, write: Callable[[str], str]) -> str:
        return _tokens("python").sub(lambda match: self._in_python(text, match, write), text)

    def _in_python(self, text: str, match: re.Match[str], write: Callable[[str], str]) -> str:
        token = match.group()
        if match["comment"] or "{{" not in token:
            return token
        at = self._origin(text, match.start())
        if match["hole"]:
            value, known = self._value(token, at, parse=True)
            return self._name(value) if known else token
        prefix, quote, content = _parts_of(token)
        if re.fullmatch(HOLE, content) and "_base_." in content and not prefix.strip("uU"):
            value, known = self._value(content, at, parse=False)
            if not isinstance(value, str):
                return self._name(value) if known else token
        return self._in_string(prefix, quote, content, at, write)

    def _in_string(
        self, prefix: str, quote: str, content: str, at: Origin, write: Callable[[str], str]
    ) -> str:
        """Fill the holes of a string; in a raw one nothing could be escaped, so it is none then."""
        keep = _without_raw if "r" in prefix.lower() else str
        pieces, end = [], 0
        for match in re.finditer(HOLE, content):
            value, known = self._value(match.group(), at, parse=False)
            if known:
                pieces += [keep(content[end : match.start()]), write(str(value))]
                end = match.end()
        if not pieces:
            return f"{prefix}{quote}{content}{quote}"
        text = "".join([*pieces, keep(content[end:])])
        return f"{prefix.strip('rR')}{quote}{text}{quote}"

    def _name(self, value: Any) -> str:
        self.values.append(value)
        return f"__hole_{len(self.values) - 1}__"

    # --------------------------------------------------------------------- data texts

    def data(self, text: str, kind: str) -> str:
        """Fill the holes of a JSON, YAML or TOML text; ``finish`` completes it once parsed."""
        quote = "" if kind == "yaml" else '"'  # a plain scalar may be a token there

        def replace(match: re.Match[str]) -> str:
            at = self._origin(text, match.start())
            if match["hole"]:
                return self._token(match.group(), at, quote, plain=True)
            if match["comment"]:
                return match.group()
            return re.sub(HOLE, lambda hole: self._token(hole.group(), at, ""), match.group())

        return _tokens(kind).sub(replace, text)

    def _token(self, hole: str, at: Origin, quote: str, plain: bool = False) -> str:
        name = hole[2:-2].strip()
        if name.startswith("_base_."):
            value: Any = _FromBase(name, at)  # the bases are named within the text itself
        else:
            value, known = self._value(hole, at, parse=False)
            if not known:
                return hole
            if "$" in hole and plain:  # read as the format reads it: a number, a list
                return str(value)
        self.values.append(value)
        return f"{quote}\ue000{len(self.values) - 1}\ue001{quote}"

    def bases(self, names: Any, at: Origin) -> Any:
        """Put the values into what ``_base_`` says, before there are bases."""
        listed = names if isinstance(names, list) else [names]
        texts = [name for name in listed if isinstance(name, str)]
        for token in re.findall(_TOKEN, " ".join(texts)):
            item = self.values[int(token)] if int(token) < len(self.values) else None
            if isinstance(item, _FromBase):
                raise ConfigSubstitutionError(
                    f"_base_ says {{{{ {item.name} }}}}, but there are no bases before it is read; "
                    f"write the path",
                    at,
                )
        return self._finish(names)

    def origin_of_bases(self, text: str) -> Origin:
        """Return where a data text says ``_base_``."""
        match = re.search(r"_base_['\"]?[ \t]*[:=]", text)
        return Origin(self.file, text.count("\n", 0, match.start()) + 1 if match else 1)

    def finish(self, value: Any) -> Any:
        """Put the values where the tokens of a parsed data text stand."""
        if not self.values:
            return value
        self.values = [
            self._from_base(item.name, item.at) if isinstance(item, _FromBase) else item
            for item in self.values
        ]
        return self._finish(value)

    def _finish(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._finish(key): self._finish(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._finish(item) for item in value]
        if isinstance(value, str) and "\ue000" in value:
            whole = re.fullmatch(_TOKEN, value)
            if whole and int(whole[1]) < len(self.values):
                return self.values[int(whole[1])]
            return re.sub(
                _TOKEN,
                lambda m: str(self.values[int(m[1])]) if int(m[1]) < len(self.values) else m[0],
                value,
            )
        return value

    # ------------------------------------------------------------------------- values

    def _value(self, hole: str, at: Origin, parse: bool) -> tuple[Any, bool]:
        """Return what a hole stands for, and whether it is one of ours."""
        name = _unquoted(hole[2:-2].strip())
        if name in _FILE_VARIABLES and self.file_variables:
            return _FILE_VARIABLES[name](self.file), True
        if name.startswith("_base_."):
            return self._from_base(name, at), True
        match = re.fullmatch(_ENVIRONMENT, name) if self.environment_variables else None
        if match is None:
            return None, False
        if self.variables is not None and match[1] not in self.variables:
            limits = f", or limits=Limits(environment=[{match[1]!r}])"
            raise ConfigSecurityError(
                f"the file asks for the environment variable {match[1]}; where it may see that, "
                f"pass --allow-variable {match[1]}{limits}",
                at,
                for_programs=limits,
            )
        value = os.environ.get(match[1], match[2])
        if value is None:
            raise ConfigSubstitutionError(
                f"the environment variable {match[1]} is not set and {hole} has no default; "
                f"set it or write {{{{${match[1]}:default}}}}",
                at,
            )
        if match[1] in os.environ:
            self.environment[match[1]] = value
        return _literal(value) if parse else value, True

    def _from_base(self, name: str, at: Origin) -> Any:
        node: Any = self.base
        for key in name.split(".")[1:]:
            try:
                node = node[int(key) if isinstance(node, list | tuple) else key]
            except (KeyError, IndexError, TypeError, ValueError):
                known = hint(key, dict.keys(node)) if isinstance(node, dict) else ""
                raise ConfigSubstitutionError(
                    f"{{{{ {name} }}}}: the bases have no {key!r} there{known}", at
                ) from None
        return node

    def _origin(self, text: str, position: int) -> Origin:
        start = text.rfind("\n", 0, position) + 1
        return Origin(self.file, text.count("\n", 0, position) + 1, position - start + 1)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].strip() if quoted else text


@cache
def _tokens(kind: str) -> re.Pattern[str]:
    """Return what finds holes, comments and strings; compiled for the first file that has a hole."""
    return re.compile(_TOKENS[kind], re.DOTALL)


def _literal(text: str) -> Any:
    """Read a value of the environment as Python's literal, or as the string that it is."""
    try:
        return ast.literal_eval(text.strip())
    except NO_LITERAL:
        return text


# ------------------------------------------------- the source of a string of Python


def _parts_of(literal: str) -> tuple[str, str, str]:
    """Split a string literal into its prefix, its quote and what stands between."""
    start = min(i for i, char in enumerate(literal) if char in "'\"")
    quote = literal[start : start + 3]
    if quote not in ('"""', "'''"):
        quote = literal[start]
    return literal[:start], quote, literal[start + len(quote) : len(literal) - len(quote)]


def _escape(text: str) -> str:
    """Write text so that it stands for itself in any string that is not raw."""
    return re.sub(r"[\\'\"{}\x00-\x1f\ud800-\udfff]", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _without_raw(content: str) -> str:
    """Write what stands in a raw string so that it means the same in one that is not."""
    return re.sub(
        r"(?s)\\(.?)",
        lambda match: "\\\\" + (f"\\{match[1]}" if match[1] and match[1] in "\\'\"" else match[1]),
        content,
    )
