"""What the forge is told to run exists, is held to versions, and may do no more than it must."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.workspace.forge import (
    WORKFLOWS,
    floating,
    matrix_variables,
    read_yaml,
    steps,
    too_permitted,
    unknown_commands,
)
from tests.workspace.tree import PACKAGES, ROOT, environments, none_of

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def named(name: str) -> dict[str, Any]:
    return read_yaml(ROOT / ".github" / "workflows" / f"{name}.yml")


def commands(workflow: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for _, step in steps(workflow))


def test_the_four_are_there() -> None:
    assert {file.stem for file in WORKFLOWS} == {"checks", "docs", "release", "weekly"}


@each_workflow
def test_its_hatch_commands_exist(file: Path) -> None:
    workflow = read_yaml(file)
    assert "hatch run" in commands(workflow)
    assert unknown_commands(commands(workflow), matrix_variables(workflow)) == []


@each_workflow
def test_its_actions_are_pinned(file: Path) -> None:
    assert floating(read_yaml(file)) == []


@each_workflow
def test_it_may_do_no_more_than_it_must(file: Path) -> None:
    assert too_permitted(read_yaml(file)) == []


@each_workflow
def test_it_ends_and_keeps_no_credentials(file: Path) -> None:
    workflow = read_yaml(file)
    assert all(job["timeout-minutes"] <= 180 for job in workflow["jobs"].values())
    checkouts = [s for _, s in steps(workflow) if "actions/checkout" in s.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_workflow
def test_no_expression_is_pasted_into_a_command(file: Path) -> None:
    assert "${{" not in commands(read_yaml(file)), "hand it over as a variable of the environment"


def test_the_checks_are_those_of_the_house_on_every_python() -> None:
    workflow = named("checks")
    (matrix,) = environments()["py"]["matrix"]
    assert workflow["jobs"]["torch-free"]["strategy"]["matrix"]["python"] == matrix["python"]
    assert ".ci/run" in commands(workflow).splitlines()
    assert "pull_request" in workflow["on"]


def test_what_takes_long_is_run_every_week() -> None:
    workflow = named("weekly")
    assert workflow["on"]["schedule"]
    assert workflow["jobs"]["torch"]["strategy"]["matrix"]["environment"] == [
        "torch-floor",
        "torch-newest",
    ]
    assert {"hatch run cover", "hatch run mutate"} <= set(commands(workflow).splitlines())


def test_a_release_is_of_one_package_and_trusted() -> None:
    workflow = named("release")
    assert workflow["on"] == {"push": {"tags": ["engine-*-v*"]}}
    publish = workflow["jobs"]["publish"]
    assert publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert not any("run" in step for step in publish["steps"])


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        *((f"{package.distribution}-v0.1.0", True) for package in PACKAGES),
        ("engine-config-v9.9.9", False),
        ("engine-nothing-v0.1.0", False),
        ("engine-config-v0.1.0-v0.1.0", False),
    ],
)
def test_a_release_tag_names_a_package_and_its_version(
    tmp_path: Path, tag: str, accepted: bool
) -> None:
    (script,) = (s["run"] for _, s in steps(named("release")) if "GITHUB_ENV" in s.get("run", ""))
    hatch = tmp_path / "hatch"
    hatch.write_text("#!/bin/sh\necho 0.1.0\n")
    hatch.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    added = {"PATH": path, "GITHUB_REF_NAME": tag, "GITHUB_ENV": str(tmp_path / "env")}
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=ROOT, env={**os.environ, **added}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) is accepted
    if accepted:
        name = tag.removeprefix("engine-").removesuffix("-v0.1.0")
        assert (tmp_path / "env").read_text() == f"NAME={name}\n"


def test_the_hooks_are_those_of_the_environment() -> None:
    hooks = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    (local,) = (repo["hooks"] for repo in hooks if repo["repo"] == "local")
    assert [hook["id"] for hook in local] == ["ruff-check", "ruff-format", "mypy"]
    entries = [hook["entry"] for hook in local]
    assert all(hook["language"] == "system" for hook in local)
    assert unknown_commands("\n".join(e for e in entries if "ruff" not in e), {}) == []
    linted = " ".join(environments()["default"]["scripts"]["lint"])
    assert {
        "hatch run ruff check --force-exclude",
        "hatch run ruff format --check --force-exclude",
    } < set(entries)
    assert "ruff check" in linted
    assert "ruff format --check" in linted


def test_the_templates_can_be_read() -> None:
    files = [ROOT / ".github" / "dependabot.yml", *(ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()]
    assert none_of(str(file) for file in files if not read_yaml(file))
    fault = read_yaml(ROOT / ".github" / "ISSUE_TEMPLATE" / "fault.yml")
    (menu,) = (part for part in fault["body"] if part.get("id") == "package")
    offered = sorted(menu["attributes"]["options"])
    assert offered == sorted(package.distribution for package in PACKAGES)
    ecosystems = read_yaml(files[0])["updates"]
    assert {entry["package-ecosystem"] for entry in ecosystems} == {"pip", "github-actions"}


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("hatch run types", []),
        ("hatch run tpyes", ["tpyes"]),
        ("hatch run docs:build", []),
        ("hatch run docs:bild", ["docs:bild"]),
        ('hatch run "+package=$NAME" isolated:test', []),
        ('hatch run "+package=$NAME" isolated:tets', ["isolated:tets"]),
        ('hatch run "$ENVIRONMENT:test"', ["absent:test"]),
    ],
)
def test_a_command_that_is_not_there_is_seen(command: str, unknown: list[str]) -> None:
    assert unknown_commands(command, {"ENVIRONMENT": ["py", "absent"]}) == unknown


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("actions/checkout@v5", True),
        ("pypa/gh-action-pypi-publish@release/v1", True),
        (f"actions/checkout@{'0a' * 20}", True),
        ("actions/checkout@main", False),
        ("actions/checkout", False),
    ],
)
def test_what_counts_as_pinned(name: str, pinned: bool) -> None:
    assert (floating({"jobs": {"one": {"steps": [{"uses": name}]}}}) == []) is pinned


@pytest.mark.parametrize(
    ("permissions", "job"),
    [
        (None, {}),
        ("write-all", {}),
        ({"contents": "write"}, {}),
        ({"contents": "read"}, {"permissions": {"id-token": "write"}}),
        ({"contents": "read"}, {"permissions": {"contents": "write"}, "environment": "pypi"}),
    ],
)
def test_too_much_permission_is_seen(permissions: Any, job: dict[str, Any]) -> None:
    assert too_permitted({"permissions": permissions, "jobs": {"one": job}})
