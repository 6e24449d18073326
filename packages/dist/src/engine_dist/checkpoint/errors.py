"""What can be wrong with a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_NAMES = 20


class CheckpointError(RuntimeError):
    """Root of the errors of this package.

    Attributes
    ----------
    for_programs : str
        The part of the message that is of use to who calls from Python, not from a command line.
    """

    for_programs = ""


class CorruptCheckpointError(CheckpointError):
    """A file is cut off, damaged or no checkpoint at all; nothing of it was loaded."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """There is no such file."""


class UnsafeCheckpointError(CheckpointError):
    """A file asks for code that a checkpoint may not name; nothing of it was run or loaded.

    Attributes
    ----------
    path : str
        The file.
    globals : tuple of str
        What it asks for beyond the safe list, as dotted names.
    reason : str
        What else is wrong, where it names nothing unsafe.
    part : bool
        Whether it cannot be converted: it is a part of a checkpoint, or no checkpoint at all.
    """

    for_programs = (
        ", or, for a file whose origin you trust as you would trust a program, pass trusted=True"
    )

    def __init__(
        self, path: str, names: Sequence[str], reason: str = "", part: bool = False
    ) -> None:
        super().__init__(path, names, reason, part)
        self.part = part
        self.path = path
        self.globals = tuple(names)
        self.reason = reason

    def __str__(self) -> str:
        asked = f"it asks for {listed(self.globals)}" if self.globals else self.reason
        said = f"{self.path} is not safe to load: {printable(asked)}; nothing was run"
        if self.part:
            return said
        convert = f"Convert it in a sandbox by `engine import-checkpoint {self.path} NEW`"
        if not self.globals:  # what is wrong with it is wrong for a program that trusts it, too
            return f"{said}. It is damaged, or made to deceive: get it again. {convert}"
        return f"{said}. {convert}{self.for_programs}"


def printable(text: str) -> str:
    """Return a text that comes from a file without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def said(error: BaseException) -> str:
    """Say an error's kind and, in a line, what it says; torch's advice to trust a file is no use."""
    text = " ".join(str(error).split())
    told = "" if "weights_only" in text or not text else f": {printable(text[:200])}"
    return f"{type(error).__name__}{told}"


def listed(names: Sequence[str]) -> str:
    """Return the first of many names, and how many more there are."""
    shown = [name[:200] for name in names[:_MOST_NAMES]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


class StateMismatchError(CheckpointError):
    """A model and a state do not fit; the model is as it was."""


class UnsavableStateError(CheckpointError, TypeError):
    """A state holds what could not be loaded again without running code."""


class UnwritableError(CheckpointError, OSError):
    """The system does not let a checkpoint be written."""

    def __str__(self) -> str:
        return str(self.args[0])


def unwritable(path: object, error: Exception) -> UnwritableError:
    """Return the error of a checkpoint that cannot be written, named as its reader knows it."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UnwritableError(f"the checkpoint {path} cannot be written: {why}")


class DownloadError(CheckpointError, OSError):
    """A checkpoint could not be fetched whole; nothing of it was kept."""


class SandboxError(CheckpointError):
    """A sandbox cannot be had here, or what ran in it failed; nothing was written."""
