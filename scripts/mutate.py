"""Change modules of the core bit by bit, and see whether their tests notice.

The modules, the tests of each and how many changes may go unseen stand in ``[tool.mutation]`` of
the root's ``pyproject.toml``. cosmic-ray makes the changes, in a copy of the repository.

Usage: ``python scripts/mutate.py [module ...]``, a module by its file's name without ``.py``
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
UNSEEN = "survived"


@dataclass(frozen=True)
class Task:
    """A module, and the tests that are run for each change of it."""

    module: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return Path(self.module).stem


def read_settings(file: Path) -> tuple[list[Task], float]:
    """Return the modules to change, and the part of the changes that may go unseen, in per cent."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))["tool"]["mutation"]
    tasks = [Task(module, tuple(tests)) for module, tests in table["modules"].items()]
    return tasks, float(table["most_unseen"])


def copy_repository(target: Path) -> None:
    """Copy what git tracks or would track: a change that is never undone harms nobody there."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def settings_of(task: Task) -> str:
    """Return cosmic-ray's settings for a module, as TOML."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *task.tests]
    return f"""\
[cosmic-ray]
module-path = {json.dumps(task.module)}
timeout = 60
excluded-modules = []
test-command = {json.dumps(" ".join(command))}
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
# unions in annotations, which nobody evaluates
exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]
"""


def changed(task: Task, copy: Path) -> Iterator[dict[str, Any]]:
    """Make every change of a module and yield cosmic-ray's account of each that was tried."""
    settings, session = copy / f"{task.name}.toml", copy / f"{task.name}.sqlite"
    settings.write_text(settings_of(task), encoding="utf-8")
    sources = [str(path) for path in sorted(copy.glob("packages/*/src"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sources, str(copy)])}

    def run(*command: str | Path) -> bytes:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=copy, env=environment, check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout

    run("cosmic-ray", "baseline", settings)
    run("cosmic-ray", "init", settings, session)
    run("cr-filter-operators", session, settings)
    run("cosmic-ray", "exec", settings, session)
    for line in run("cosmic-ray", "dump", session).decode().splitlines():
        made, outcome = json.loads(line)
        if outcome and outcome["test_outcome"] is not None:
            yield {**made["mutations"][0], **outcome}


def rate(task: Task, changes: list[dict[str, Any]]) -> float:
    """Print what went unseen, and return its part in per cent."""
    unseen = [change for change in changes if change["test_outcome"] == UNSEEN]
    for change in sorted(unseen, key=lambda change: change["start_pos"]):
        line, operator = change["start_pos"][0], change["operator_name"].rpartition("/")[2]
        print(f"{task.module}:{line}: {operator} goes unseen")
    part = 100 * len(unseen) / max(len(changes), 1)
    print(f"{task.name}: {len(unseen)} of {len(changes)} changes unseen, {part:.1f} %", flush=True)
    return part


def main(names: list[str]) -> int:
    """Try the modules named, or all of them."""
    tasks, most = read_settings(ROOT / "pyproject.toml")
    unknown = sorted(set(names) - {task.name for task in tasks})
    if unknown:
        print(f"no such module: {', '.join(unknown)}; there are {[task.name for task in tasks]}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copy_repository(Path(folder))
        rates = {
            task.name: rate(task, list(changed(task, Path(folder))))
            for task in tasks
            if not names or task.name in names
        }
    failed = [name for name, part in rates.items() if part > most]
    print(f"more than {most:g} % unseen: {', '.join(failed) or 'none'}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
