"""What the page of each package on an index tells: whom to ask, where to look, what to add."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from packaging.requirements import Requirement
from trove_classifiers import classifiers

from tests.workspace.members import root_settings, siblings
from tests.workspace.tree import PACKAGES, Package

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def extras(package: Package) -> dict[str, list[str]]:
    """Return the lines of each extra of a package."""
    found: dict[str, list[str]] = package.settings["project"].get("optional-dependencies", {})
    return found


def runner() -> dict[str, list[str]]:
    (found,) = (extras(package) for package in PACKAGES if package.name == "runner")
    return found


@each_package
def test_it_says_where_the_project_is(package: Package) -> None:
    home = root_settings()["tool"]["workspace"]["url"]
    folder = f"{home}/tree/main/packages/{package.name}"
    assert package.settings["project"]["urls"] == {
        "Homepage": home,
        "Documentation": f"{folder}/README.md",
        "Source": folder,
        "Changelog": f"{folder}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


@each_package
def test_it_says_whom_to_ask(package: Package) -> None:
    assert package.settings["project"]["authors"] == [
        root_settings()["tool"]["workspace"]["author"]
    ]


@each_package
def test_it_can_be_found(package: Package) -> None:
    project: dict[str, Any] = package.settings["project"]
    assert {"pytorch", "deep-learning"} <= set(project["keywords"])
    assert len(project["keywords"]) == len(set(project["keywords"])) >= 5
    assert set(project["classifiers"]) <= classifiers
    topics = [line for line in project["classifiers"] if line.startswith("Topic :: ")]
    assert "Topic :: Scientific/Engineering :: Artificial Intelligence" in topics


def test_the_runner_offers_the_extras_of_all_that_it_brings() -> None:
    passed_on = {
        name: [f"{package.distribution}[{name}]"]
        for package in PACKAGES
        if package.name != "runner"
        for name in extras(package)
    }
    offered = {
        name: [f"{found.name}[{','.join(found.extras)}]" for found in map(Requirement, lines)]
        for name, lines in runner().items()
        if name != "all"
    }
    assert offered == passed_on


def test_all_is_every_extra() -> None:
    each = chain.from_iterable(lines for name, lines in runner().items() if name != "all")
    wanted = {(found.name, extra) for found in map(Requirement, each) for extra in found.extras}
    given = map(Requirement, runner()["all"])
    assert {(found.name, extra) for found in given for extra in found.extras} == wanted


@each_package
def test_an_extra_accepts_the_siblings_that_the_package_accepts(package: Package) -> None:
    ranges: dict[str, set[str]] = {}
    for found in siblings(package.settings["project"]):
        ranges.setdefault(found.name, set()).add(str(found.specifier))
    assert [name for name, accepted in ranges.items() if len(accepted) > 1] == []
