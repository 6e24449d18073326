"""What a verb has to say, on standard output."""

from __future__ import annotations

from engine_runner.cli.user_errors import UserMistake
from engine_runner.logging.outages import let_go_of_stdout

__all__ = ["say"]


def say(line: str) -> None:
    """Print a line; who reads no further, as ``head``, is let go.

    Raises
    ------
    UserMistake
        If what it goes to is full.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        let_go_of_stdout()
    except OSError as error:
        let_go_of_stdout()
        raise UserMistake(f"standard output cannot be written: {error.strerror}") from error
