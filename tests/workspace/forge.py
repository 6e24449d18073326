"""Read the files that tell the forge what to run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.workspace.tree import ROOT, environments

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_HATCH = re.compile(r"""hatch run ((?:["']?\+\S+\s+)*)["']?([\w$-]+)(?::([\w-]+))?""")
# a commit, a version, or the branch of a major version
_PIN = re.compile(r"[\w.-]+/[\w./-]+@([0-9a-f]{40}|v\d+(\.\d+)*|release/v\d+)")
# what a job may ask for beyond reading the source, and in which environment of the forge
_MORE = {"github-pages": {"pages", "id-token"}, "pypi": {"id-token"}}


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file, whose key ``on`` is a word although YAML 1.1 says true."""
    found: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}


def steps(workflow: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every step of a workflow with the name of its job."""
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def unknown_commands(text: str, variables: Mapping[str, list[str]]) -> list[str]:
    """Return what ``hatch run`` is asked for in a text and no environment has.

    ``variables`` are the values of those that stand for an environment's name.
    """
    unknown = []
    for _, first, script in _HATCH.findall(text):
        names = variables.get(first[1:], []) if first.startswith("$") else [first]
        for name in names or [first]:
            environment, command = (name, script) if script else ("default", name)
            if command not in environments().get(environment, {}).get("scripts", {}):
                unknown.append(f"{name}:{script}" if script else name)
    return unknown


def floating(workflow: Mapping[str, Any]) -> list[str]:
    """Return the actions that are not held to a version."""
    used = (str(step["uses"]) for _, step in steps(workflow) if "uses" in step)
    return [name for name in used if not _PIN.fullmatch(name)]


def too_permitted(workflow: Mapping[str, Any]) -> list[str]:
    """Return what a workflow, or a job of it, may do beyond what it needs."""
    asked = workflow.get("permissions")
    faults = [] if asked == {"contents": "read"} else [f"the workflow: {asked}"]
    for name, job in workflow["jobs"].items():
        allowed = _MORE.get(environment_of(job), set())
        if excess := sorted(set(job.get("permissions", {})) - allowed):
            faults.append(f"{name}: {', '.join(excess)}")
    return faults


def environment_of(job: Mapping[str, Any]) -> str:
    """Return the name of the forge's environment that a job runs in, or nothing."""
    found = job.get("environment", "")
    return str(found["name"] if isinstance(found, Mapping) else found)


def matrix_variables(workflow: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of each variable that a job takes from its matrix."""
    found: dict[str, list[str]] = {}
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for name, text in job.get("env", {}).items():
            if match := re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", text):
                found[name] = matrix[match[1]]
    return found
