"""Write the page of what each strategy can do, from the table: ``docs/capabilities.rst``.

Usage: ``python scripts/capabilities.py``
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine_dist.capabilities import ABILITIES, TABLE, refusal

PAGE = Path(__file__).parent.parent / "docs" / "capabilities.rst"

HEAD = """.. Written by scripts/capabilities.py from engine_dist.capabilities; change that, not this page.

What each strategy can do
=========================

What a configuration asks for and its strategy cannot do is refused before anything is built, with the
reason and the strategy next to it that can. Each "yes" and each "no" of this table is tried by a test:
a "yes" trains to the weights of one device, a "no" fails or comes out different.
"""


def page() -> str:
    """Return the page's text."""
    return "\n".join([HEAD, *_table(), *_reasons()])


def _table() -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "", "   * -")
    yield from (f"     - {strategy.replace('Strategy', '')}" for strategy in TABLE)
    for ability, what in ABILITIES.items():
        yield f"   * - {what}"
        yield from (f"     - {'no' if ability in row else 'yes'}" for row in TABLE.values())
    yield ""


def _reasons() -> Iterator[str]:
    yield from ("Why not", "-------", "")
    for strategy, row in TABLE.items():
        for ability in row:
            yield f"* {refusal(strategy, ability)}."
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
