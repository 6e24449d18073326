"""Tables of names for the console."""

from __future__ import annotations

from collections.abc import Mapping


def render(title: str, rows: Mapping[str, object]) -> str:
    """Return a table of names and objects as text."""
    # Imported here: rich costs more than this whole package, and is used to print only.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Names", "Objects", title=title)
    for name, value in sorted(rows.items()):
        table.add_row(Text(name), Text(repr(value)))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table, end="")
    return capture.get()
