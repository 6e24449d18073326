"""Say which public names the built pages of the packages leave out.

A page can come out empty without a warning.  Each name in the ``__all__`` of a package or a
subpackage must have its place on a page.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = Path(__file__).parent.parent / "packages"


def main(pages: str) -> int:
    """Print each name that is on no page; return 1 if there is one."""
    places = {
        tuple(place.split("."))
        for page in Path(pages).glob("*.html")
        for place in re.findall(r'id="([\w.]+)"', page.read_text(encoding="utf-8"))
    }
    known = {(place[0], place[-1]) for place in places}
    left_out = [(home, name) for home, name in _public() if (home[0], name) not in known]
    for home, name in left_out:
        print(f"{'.'.join(home)}.{name} is on no page")
    return 1 if left_out else 0


def _public() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every package and each name in its ``__all__``."""
    for file in sorted(PACKAGES.glob("*/src/**/__init__.py")):
        home = file.parent.relative_to(PACKAGES).parts[2:]
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = set(ast.literal_eval(node.value)) - {"__version__"}
                yield from ((home, name) for name in sorted(names))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
