"""Write the page of what MMEngine has and these packages have not: ``docs/not_yet.rst``.

Usage: ``python scripts/not_yet.py [FOLDER]``, where FOLDER holds MMEngine's public names as
``api.json`` and the check of a package against them, ``check_api.py``; without it, the folder
``shared/parity`` beside the repository.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import engine_runner  # noqa: F401 - with all that it stands on

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "not_yet.rst"
PARITY = ROOT.parent / "shared" / "parity"
# names of MMEngine that stand for something else in a module of ours
OTHERS = {"ProgressBar"}

HEAD = """.. Written by scripts/not_yet.py; change what the packages hold, not this page.

What of MMEngine is not there yet
=================================

Of the public names, members, parameters and registered names of MMEngine 0.10.7, {there} of {total}
are here under the same name, in the place that the titles tell, with the same parameters and defaults.
What follows is the rest. Nothing is missing of {whole}.

Names of a configuration
------------------------

A configuration that names one of these by ``type`` needs it taken out or written anew.

"""


def page(parity: Path = PARITY) -> str:
    """Return the page's text."""
    faults, total = check(parity)
    homes: dict[str, list[str]] = {
        name: entry["homes"]
        for name, entry in json.loads((parity / "api.json").read_text())["subpackages"].items()
    }
    faults = {k: what for k, what in faults.items() if not _set_by_instances(k, homes)}
    whole = [name for name in homes if not any(key.startswith(f"{name}:") for key in faults)]
    head = HEAD.format(there=total - len(faults), total=total, whole=_listed(whole))
    lines = [f"{head}{_registered(faults)}", ""]
    for name in homes:
        lines += _section(name, homes[name], faults)
    return "\n".join(lines)


def check(parity: Path) -> tuple[dict[str, str], int]:
    """Return what is missing or different, by its name in the check, and of how many."""
    done = subprocess.run(
        [sys.executable, str(parity / "check_api.py")], capture_output=True, text=True, check=False
    )
    *lines, count = done.stdout.splitlines()
    found = re.match(r"\d+ of (\d+) as in MMEngine", count)
    if done.returncode not in (0, 1) or found is None:
        raise RuntimeError(f"the check itself failed:\n{done.stdout}{done.stderr}")
    return dict(line.split(": ", 1) for line in lines), int(found[1])


def _set_by_instances(key: str, homes: Mapping[str, list[str]]) -> bool:
    """Tell whether a member that the check did not find at its class is set by the instances."""
    subpackage, _, name = key.partition(":")
    owner, _, member = name.partition(".")
    kinds = [getattr(sys.modules.get(home), owner, None) for home in homes.get(subpackage, ())]
    return bool(member) and any(
        re.search(rf"self\.{member}(: [^=\n]+)? = ", inspect.getsource(base))
        for kind in kinds
        if isinstance(kind, type)
        for base in kind.__mro__
        if base.__module__.startswith("engine_")
    )


def _registered(faults: Mapping[str, str]) -> str:
    by_registry: dict[str, list[str]] = {}
    for key, what in faults.items():
        if what == "not registered":
            registry, _, name = key.removesuffix("]").partition("[")
            by_registry.setdefault(registry, []).append(name)
    return "\n".join(f"* ``{name}``: {_listed(names)}" for name, names in by_registry.items())


def _section(name: str, homes: list[str], faults: Mapping[str, str]) -> Iterator[str]:
    of_it = {k.partition(":")[2]: v for k, v in faults.items() if k.partition(":")[0] == name}
    gone = [key for key, what in of_it.items() if what.startswith("missing from")]
    other = {k: v for k, v in of_it.items() if k.partition(".")[0] not in gone}
    if not of_it:
        return
    title = f"{name}, here {' and '.join(homes)}"
    yield from (title, "-" * len(title), "")
    moved = {key: _module_of(key) for key in gone}
    if missing := [key for key, module in moved.items() if module is None]:
        yield from (f"Missing: {_listed(missing)}.", "")
    if moved := {key: module for key, module in moved.items() if module}:
        places = (f"``{key}`` in ``{module}``" for key, module in sorted(moved.items()))
        yield from (f"In another place: {', '.join(places)}.", "")
    yield from (f"* ``{key}``: {what}" for key, what in sorted(other.items()))
    yield from [""] if other else []


def _module_of(name: str) -> str | None:
    """Return the public module of the packages that has a name, wherever that is."""
    for module, members in sorted(sys.modules.items()) if name not in OTHERS else ():
        if module.startswith("engine_") and name in getattr(members, "__all__", ()):
            return module
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"``{name}``" for name in sorted(names, key=str.lower))


def main(parity: Path = PARITY) -> int:
    """Write the page, or say what is missing for it."""
    if not (parity / "check_api.py").is_file():
        print(f"{PAGE.name} stays as it is: no list of MMEngine's public names in {parity}")
        return 0
    PAGE.write_text(page(parity), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
