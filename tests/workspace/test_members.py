"""The seven members, what each declares, and the environments that follow from it."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.workspace import members
from tests.workspace.tree import MODULES, PACKAGES, ROOT, Package, environments, workspace

NAMES = {package.name for package in PACKAGES}
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def test_the_seven_are_there() -> None:
    assert {"config", "registry", "dist", "optim", "dataset", "evaluator", "runner"} == NAMES


def test_no_folder_of_packages_is_left_out() -> None:
    assert {folder.name for folder in (ROOT / "packages").iterdir() if folder.is_dir()} == NAMES


def test_members_are_listed_one_by_one() -> None:
    listed = environments()["default"]["workspace"]["members"]
    assert sorted(listed) == sorted(f"packages/{name}" for name in NAMES)


def test_root_is_no_project() -> None:
    assert "project" not in members.root_settings(), "hatch build --all would build the root too"


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(workspace()["importlinter"]["root_packages"], id="import-linter"),
        pytest.param(workspace()["ruff"]["lint"]["isort"]["known-first-party"], id="isort"),
    ],
)
def test_tools_know_every_package(listed: list[str]) -> None:
    assert sorted(listed) == sorted(MODULES)


def test_types_are_checked_in_every_package() -> None:
    paths = {Path(entry).parent.name for entry in workspace()["mypy"]["mypy_path"]}
    assert paths == NAMES


def test_dependencies_are_checked_in_every_package() -> None:
    commands = environments()["default"]["scripts"]["deps"]
    assert sorted(commands) == sorted(f"cd packages/{name} && deptry src" for name in NAMES)


def test_wheels_of_every_package_are_installed() -> None:
    install = environments()["wheels"]["scripts"]["install"].split()
    assert {word for word in install if word.startswith("engine-")} == {
        package.distribution for package in PACKAGES
    }


@each_package
def test_folder_is_complete(package: Package) -> None:
    wanted = ["README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "changelog.d"]
    assert [name for name in wanted if not (package.folder / name).exists()] == []
    assert (package.source / "py.typed").is_file()
    assert (ROOT / "tests" / package.name / "__init__.py").is_file()
    licence = (package.folder / "LICENSE").read_text(encoding="utf-8")
    assert licence == (ROOT / "LICENSE").read_text(encoding="utf-8")


@each_package
def test_project_table(package: Package) -> None:
    settings = package.settings
    project = settings["project"]
    assert project["name"] == package.distribution
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.10"
    assert settings["build-system"]["build-backend"] == "hatchling.build"
    assert settings["tool"]["towncrier"]["name"] == package.distribution


@each_package
def test_version_stands_in_one_place(package: Package) -> None:
    settings = package.settings
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == f"src/{package.module}/__init__.py"
    imported = importlib.import_module(package.module).__version__
    installed = importlib.metadata.version(package.distribution)
    assert installed == imported, "hatch env remove default: a new version is not re-synced"


@each_package
def test_siblings_are_bounded_and_accepted(package: Package) -> None:
    assert members.unbounded_siblings(package.settings["project"]) == []
    refused = [
        f"{requirement} but {requirement.name} is {version}"
        for requirement in members.siblings(package.settings["project"])
        if (version := members.current_version(requirement.name)) not in requirement.specifier
    ]
    assert refused == []


@pytest.mark.parametrize(
    ("requirement", "bounded"),
    [
        ("engine-config>=0.1,<0.2", True),
        ("engine-config>=0.1", False),
        ("engine-config", False),
        ("engine-config==0.1.0", False),
        ("engine-config>=0.1,<1", False),
        ("engine-config>=1.2,<2", True),
        ("torch", True),
    ],
)
def test_what_counts_as_bounded(requirement: str, bounded: bool) -> None:
    found = members.unbounded_siblings({"dependencies": [requirement]})
    assert found == ([] if bounded else [str(Requirement(requirement))])


@each_package
def test_isolated_environment_has_the_declared_siblings_only(package: Package) -> None:
    assert members.isolated_members(environments()["isolated"], package.name) == {
        f"packages/{name}" for name in members.closure(package.name)
    }


def test_a_missing_sibling_is_seen() -> None:
    entries = ["packages/config", {"value": "packages/registry", "if": ["registry"]}]
    table = {"overrides": {"matrix": {"package": {"set-workspace": {"members": entries}}}}}
    assert members.isolated_members(table, "registry") == {"packages/config", "packages/registry"}
    assert members.isolated_members(table, "dist") == {"packages/config"}
    assert members.closure("dist") >= {"dist", "registry", "config"}


def test_isolated_environments_are_for_all() -> None:
    (matrix,) = environments()["isolated"]["matrix"]
    assert set(matrix["package"]) == NAMES


def test_torch_comes_with_those_that_declare_it() -> None:
    groups = environments()["isolated"]["overrides"]["matrix"]["package"]["dependency-groups"]
    (torch,) = (group["if"] for group in groups if group["value"] == "torch")
    assert set(torch) == {package.name for package in PACKAGES if declares(package, "torch")}


@pytest.mark.parametrize("name", ["config", "registry"])
def test_torch_free_pair_declares_neither_torch_nor_numpy(name: str) -> None:
    (package,) = (package for package in PACKAGES if package.name == name)
    assert not declares(package, "torch")
    assert not declares(package, "numpy")


def test_torch_is_pinned_for_the_commands_and_open_for_the_packages() -> None:
    (pin,) = map(Requirement, members.root_settings()["dependency-groups"]["torch"])
    assert [clause.operator for clause in pin.specifier] == ["=="]
    accepted = [
        requirement.specifier
        for package in PACKAGES
        for requirement in map(Requirement, package.settings["project"]["dependencies"])
        if requirement.name == "torch"
    ]
    assert set(accepted) == {SpecifierSet(">=2.6")}


def test_derived_environments_have_no_variables_of_their_own() -> None:
    assert members.own_variables(environments()) == []


@pytest.mark.parametrize(
    "table",
    [
        {"env-vars": {"A": "1"}},
        {"overrides": {"matrix": {"package": {"env-vars": "A=1"}}}},
        {"overrides": {"platform": {"linux": {"set-env-vars": {"A": "1"}}}}},
    ],
)
def test_variables_of_a_derived_environment_are_seen(table: dict[str, Any]) -> None:
    envs = {"default": {"env-vars": {"A": "1"}}, "other": table, "plain": {}}
    assert members.own_variables(envs) == ["other"]


def declares(package: Package, distribution: str) -> bool:
    """Whether a package names a distribution among its dependencies."""
    named = map(Requirement, package.settings["project"]["dependencies"])
    return any(requirement.name == distribution for requirement in named)
