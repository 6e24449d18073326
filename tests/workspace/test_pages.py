"""The pages that scripts write say what the packages hold."""

from __future__ import annotations

import subprocess
import sys

import pytest
from scripts import capabilities, components, not_yet

from engine_registry.roots import ROOTS
from tests.parity import CHECK
from tests.workspace.tree import PACKAGES, ROOT, Package

REMEDY = "hatch run pages"


def written(module: str) -> str:
    """Return what a script would write, in a process that imported nothing else."""
    code = f"import sys; from scripts import {module}; sys.stdout.write({module}.page())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_what_type_may_name() -> None:
    assert components.PAGE.read_text(encoding="utf-8") == written("components"), REMEDY


def test_what_strategies_can_do() -> None:
    assert capabilities.PAGE.read_text(encoding="utf-8") == written("capabilities"), REMEDY


def test_every_registry_and_every_entry_is_on_the_page() -> None:
    assert set(components.PLACES) == set(ROOTS)
    text = components.page()
    for registry in ROOTS.values():
        assert [
            n for n in registry.module_dict if f"`{n} <" not in text and f"`{n}`" not in text
        ] == []


def test_what_of_mmengine_is_missing() -> None:
    if not CHECK.is_file():
        pytest.skip("the list of MMEngine's public names is not beside this repository")
    assert not_yet.PAGE.read_text(encoding="utf-8") == written("not_yet"), REMEDY


def test_a_list_beside_nothing_is_missing() -> None:
    text = not_yet.PAGE.read_text(encoding="utf-8")
    assert "* ``VISBACKENDS``: " in text
    assert "``Runner.work_dir``" not in text, "every instance has it"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_site_has_each_readme(package: Package) -> None:
    guide = (ROOT / "docs" / "guides" / f"{package.name}.md").read_text(encoding="utf-8")
    assert f"{{include}} ../../packages/{package.name}/README.md" in guide
    assert f"guides/{package.name}\n" in (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
