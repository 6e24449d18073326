"""The lock file holds a version of all that is asked for, and nothing of one machine."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scripts.lock import LOCK, OTHERS, wanted

from tests.workspace.members import root_settings
from tests.workspace.tree import none_of

PINS = [
    Requirement(line)
    for line in LOCK.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def pins_of(requirement: Requirement) -> list[Requirement]:
    name = canonicalize_name(requirement.name)
    return [pin for pin in PINS if canonicalize_name(pin.name) == name]


def test_every_line_is_one_version() -> None:
    assert len(PINS) > 50
    assert none_of(
        str(pin) for pin in PINS if [clause.operator for clause in pin.specifier] != ["=="]
    )


def test_it_covers_the_groups_and_the_packages() -> None:
    assert none_of(
        f"{line}: run `hatch run lock`"
        for line in wanted()
        if not any(fits(pin, Requirement(line)) for pin in pins_of(Requirement(line)))
    )


def fits(pin: Requirement, wish: Requirement) -> bool:
    (clause,) = pin.specifier
    return clause.version in wish.specifier


def test_only_what_stands_for_another_is_left_out() -> None:
    groups = root_settings()["dependency-groups"]
    assert set(OTHERS) < set(groups)
    assert all(name.startswith("torch-") for name in OTHERS)
    named = {line for name, group in groups.items() if name not in OTHERS for line in group}
    assert named <= set(wanted())


def test_it_is_of_no_machine() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert not re.search(r"://|file:|[/@\\+]|--", text)
