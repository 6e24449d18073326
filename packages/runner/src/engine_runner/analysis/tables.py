"""Tables in plain characters, and short numbers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

__all__ = ["short", "table"]

_UNITS = ((1e14, 1e15, "P"), (1e11, 1e12, "T"), (1e8, 1e9, "G"), (1e5, 1e6, "M"), (1e2, 1e3, "K"))
_WIDE = 10_000  # no name is cut


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> str:
    """Return a table, each line of it with its end."""
    # a run without a terminal draws none, and does without what draws
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, box=box.ASCII2)
    for column in columns:
        made.add_column(column)
    for row in rows:
        made.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=_WIDE, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(made)
    return captured.get()


def short(number: float, digits: int = 3) -> str:
    """Return a number in the unit that it is one tenth of, or more.

    Examples
    --------
    >>> short(1234), short(123456789), short(12)
    ('1.234K', '0.123G', '12')
    """
    for above, unit, letter in _UNITS:
        if abs(number) > above:
            return f"{number / unit:.{digits}f}".rstrip("0").rstrip(".") + letter
    return str(number)
