"""Take commands out of documents, and run them in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.workspace.tree import ROOT, environments, kept_files

_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# hatch's own verbs are run as they are; what it runs in its environment is here already
_HATCH = """
hatch() { if [ "$1" = run ]; then shift; "$@"; else command hatch "$@"; fi; }
"""


def console(document: Path) -> list[str]:
    """Return the commands of a document's ``console`` blocks, those that go on over lines as one."""
    blocks = "".join(match[1] for match in _CONSOLE.finditer(document.read_text(encoding="utf-8")))
    lines = blocks.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def indented(document: Path, heading: str) -> list[str]:
    """Return the indented blocks of commands under a heading of a document."""
    (text,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", document.read_text(encoding="utf-8"), re.M | re.S
    )
    return [
        block.replace("\n    ", "\n").strip()
        for block in re.findall(r"(?:^    .*\n)+", text, re.M)
    ]


def expanded(command: str) -> str:
    """Put the text of the environment's script where a command names one."""
    found = re.search(r"hatch run ([\w-]+)\b(?!:)", command)
    script = environments()["default"]["scripts"].get(found[1]) if found else None
    if found is None or not isinstance(script, str):
        return command
    plain = re.sub(r"\{args:?([^}]*)\}", r"\1", script)
    return command.replace(found[0], f"hatch run {plain}")


def copy_of_the_repository(folder: Path) -> Path:
    """Commit the files of the working tree to a repository of their own, which has no tags."""
    for file in kept_files():
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for arguments in (["init", "-q"], ["add", "--all"], ["commit", "-q", "--message", "Copy"]):
        run(f"git {' '.join(arguments)}", folder)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what stands in a document, in a folder; raise with what it printed if it fails."""
    sources = [str(path) for path in sorted(folder.glob("packages/*/src"))]
    who = {
        f"GIT_{role}_{key}": "nobody@engine.example"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _HATCH + command],
        cwd=folder, env={**os.environ, **who, "PYTHONPATH": os.pathsep.join(sources)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{command}\n{done.stdout}{done.stderr}")
    return done
