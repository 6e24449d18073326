"""What the documentation names is there; what can be run is named somewhere."""

from __future__ import annotations

from pathlib import Path

from tests.workspace.mentions import missing, published, unknown_commands, unmentioned
from tests.workspace.tree import PACKAGES, ROOT, environments, kept_files, none_of

DOCUMENTS = [file for file in kept_files() if file.suffix in {".md", ".rst"}]


def runnable() -> list[Path]:
    """Return what a reader may want to run: benchmarks, scripts and examples' configs."""
    names = {package.name for package in PACKAGES}
    benchmarks = [
        file
        for file in (ROOT / "benchmarks").glob("*_*.py")
        if file.name.partition("_")[0] in names
    ]
    configs = (ROOT / "examples").glob("*/config*.py")
    return sorted([*benchmarks, *(ROOT / "scripts").glob("*.py"), *configs])


def test_what_is_named_is_there() -> None:
    assert none_of(missing(DOCUMENTS, ROOT))


def test_what_can_be_run_is_named() -> None:
    assert none_of(unmentioned(runnable(), DOCUMENTS, ROOT))


def test_commands_that_are_named_exist() -> None:
    scripts = {
        (name, script) for name, env in environments().items() for script in env.get("scripts", ())
    }
    programs = {("default", name) for name in ("engine", "torchrun", "towncrier")}
    documents = [*DOCUMENTS, ROOT / ".ci" / "run"]
    assert none_of(unknown_commands(documents, scripts | programs))


def test_an_unknown_command_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text('hatch run test -q\nhatch run tset\nhatch run "+a=b" x:y\n', encoding="utf-8")
    assert unknown_commands([page], {("default", "test"), ("x", "z")}) == [
        "README.md:2: hatch run tset",
        'README.md:3: hatch run "+a=b" x:y',
    ]


def test_a_missing_file_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(
        "Run `python benchmarks/gone.py` or\n[read](docs/gone.md#part), [web](https://x.org/a.md),\n"
        "`tests/<package>/test_x.py`, `examples/*/config.py`, [here](#below)\n"
        "python -m benchmarks.gone, python -m benchmarks.<package>_<what>\n",
        encoding="utf-8",
    )
    assert missing([page], tmp_path) == [
        "README.md:1: benchmarks/gone.py",
        "README.md:2: docs/gone.md",
        "README.md:2: docs/gone.md",
        "README.md:4: benchmarks.gone",
    ]


def test_a_forgotten_file_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("Run benchmarks/known.py, `python -m benchmarks.module`.\n", encoding="utf-8")
    files = [tmp_path / "benchmarks" / name for name in ("known.py", "module.py", "forgotten.py")]
    assert unmentioned(files, [page], tmp_path) == ["benchmarks/forgotten.py"]


def test_nothing_is_installed_from_where_it_is_not_yet() -> None:
    """Until a release: whoever takes the name on an index first is somebody else."""
    assert none_of(published(DOCUMENTS, {package.distribution for package in PACKAGES}))
