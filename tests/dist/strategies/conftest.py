"""The table of the suite: how far each strategy may be from one device, and how far it was."""

from __future__ import annotations

import pytest

from tests.dist.strategies.rows import ROWS

__all__ = ["note"]

_SEEN: dict[str, dict[str, float]] = {}


def note(name: str, **seen: float) -> None:
    """Remember how far a strategy was from one device, if it was never as far."""
    worst = _SEEN.setdefault(name, {})
    for what, value in seen.items():
        worst[what] = max(value, worst.get(what, 0.0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what a strategy may differ by from one device, and the most that was seen."""
    if not _SEEN:
        return
    terminalreporter.section("strategies against one device: bound (seen)")
    columns = ("loss", "norm", "weights", "bf16")
    terminalreporter.write_line(f"{'':20}" + "".join(f"{name:>20}" for name in columns))
    for name, row in ROWS.items():
        why = row.why_not("plain")
        seen = _SEEN.get(name, {})
        cells = [f"{getattr(row, c):.0e} ({seen[c]:.1e})" if c in seen else "-" for c in columns]
        line = f"skipped: {why}" if why else "".join(f"{cell:>20}" for cell in cells)
        terminalreporter.write_line(f"{name:20}{line}")
