"""What README and CONTRIBUTING tell a reader to type works, in their order, in a fresh copy."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from engine_config import Config
from tests.workspace.commands import console, copy_of_the_repository, expanded, indented, run
from tests.workspace.tree import ROOT, environments, kept_files, none_of

README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
_TRAIN = re.compile(r"(?:engine|-m engine_runner) train (\S+)(.*)")


def readme_runs() -> list[str]:
    """Return the README's commands but the installation and the tests themselves."""
    commands = [command.removeprefix("pip install hatch && ") for command in console(README)]
    own = ("pip install", "hatch run test")
    return [expanded(command) for command in commands if not command.startswith(own)]


def folder_of(train: re.Match[str]) -> str:
    """Return the work directory of a training command."""
    given = re.search(r"--work-dir (\S+)", train[2])
    if given:
        return given[1]
    config = ROOT / train[1]
    return (
        str(Config.fromfile(config).work_dir) if config.is_file() else f"work_dirs/{config.stem}"
    )


def trainings(document: Path) -> list[re.Match[str]]:
    """Return a document's training commands, those of hatch's scripts too, in their order."""
    lines = document.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    commands = [expanded(line) for line in lines if line.startswith(("$ ", "    "))]
    return [found for command in commands if (found := _TRAIN.search(command))]


def test_the_two_commands_of_the_set_up_come_first() -> None:
    first, second = console(README)[:2]
    assert first.startswith("pip install hatch && hatch run train")
    assert second.startswith("pip install hatch && hatch run test")
    assert environments()["default"]["scripts"]["test"] == "pytest {args}"


@pytest.mark.parametrize(
    "name", ["README.md", "docs/getting_started.rst", "packages/runner/README.md"]
)
def test_no_training_writes_over_another(name: str) -> None:
    trains = trainings(ROOT / name)
    assert len(trains) >= 4
    fresh = [folder_of(train) for train in trains if "--resume" not in train[2]]
    assert sorted(set(fresh)) == sorted(fresh)
    for train in trains:
        if "--resume" in train[2]:
            assert folder_of(train) in fresh


def test_engine_stands_behind_hatch_run() -> None:
    assert none_of(
        f"{document.name}: {command}"
        for document in (file for file in kept_files() if file.suffix == ".md")
        for command in console(document)
        if re.match(r"(engine|torchrun) ", command)
    )


@pytest.mark.slow
def test_the_readme_is_followed_to_its_end(tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path)
    torch.save({"state_dict": {"weight": torch.ones(2)}}, copy / "old_model.pth")
    first, *others = readme_runs()
    run(first, copy)
    works = copy / "work_dirs"
    before = (works / "digits" / "last_checkpoint").read_text()
    for command in others:
        run(command, copy)
    assert (works / "digits" / "last_checkpoint").read_text() == before
    assert Path(before).name == "epoch_10.pth"
    written = (works / "digits").glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for file in written for line in file.read_text().splitlines()]
    assert max(line.get("accuracy/top1", 0) for line in lines) > 0.97
    assert (works / "digits-short" / "epoch_3.pth").is_file()
    assert (works / "digits-two" / "epoch_10.pth").is_file()
    assert (works / "lm" / "iter_300.pth").is_file()
    assert torch.load(copy / "model.pth", weights_only=True)


def test_a_fragment_is_made_where_it_belongs(tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path)
    create, _ = indented(CONTRIBUTING, "Changes and releases")
    run(create, copy)
    fragment = copy / "packages" / "optim" / "changelog.d" / "+schedulefree.feature.md"
    assert fragment.read_text().strip() == "Accept schedule-free optimizers."


@pytest.mark.slow
def test_a_release_is_made(tmp_path: Path) -> None:
    if shutil.which("hatch") is None:
        pytest.skip("hatch is not on the path of this environment")
    copy = copy_of_the_repository(tmp_path)
    create, release = indented(CONTRIBUTING, "Changes and releases")
    run(f"{create}\n{release}", copy)
    assert run("git tag", copy).stdout == "engine-optim-v0.2.0\n"
    assert run("git status --short", copy).stdout == ""
    assert "Accept schedule-free optimizers." in (copy / "packages/optim/CHANGELOG.md").read_text()


@pytest.mark.slow
def test_floors_without_release_tags(tmp_path: Path) -> None:
    if shutil.which("uv") is None:
        pytest.skip("uv is not on the path of this environment")
    floors = "unset PYTHONPATH; hatch run python scripts/floors.py registry"
    told = run(floors, copy_of_the_repository(tmp_path))
    assert told.stdout.startswith("no release tag engine-<name>-v<version> is here")
    assert told.stdout.endswith("failed: none\n")
