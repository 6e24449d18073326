"""What helpers do beside what they give: files, links, processes, time, warnings."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from engine_dist.checkpoint import UnsafeCheckpointError
from engine_runner import utils


@given(st.lists(st.lists(st.integers(), max_size=4)))
def test_what_is_joined_is_cut_again(parts: list[list[int]]) -> None:
    joined = utils.concat_list(parts)
    assert utils.slice_list(joined, [len(part) for part in parts]) == parts


_VERSIONS = st.builds(
    "{}.{}.{}{}".format,
    *[st.integers(0, 99)] * 3,
    st.sampled_from(["", "a1", "b2", "rc1", "rc2", ".post1", "+cu118", ".dev3"]),
)


@given(_VERSIONS, _VERSIONS)
def test_versions_compare_as_they_should(one: str, other: str) -> None:
    first, second = Version(one.partition("+")[0]), Version(other.partition("+")[0])
    assert (first < second) == (utils.digit_version(one) < utils.digit_version(other))


_NESTED = st.recursive(
    st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(_NESTED)
def test_nothing_is_left_that_was_to_be_replaced(data: Any) -> None:
    assert utils.apply_to(data, lambda x: True, lambda x: x) == data
    words = utils.apply_to(data, lambda x: isinstance(x, int), str)
    assert utils.apply_to(words, lambda x: isinstance(x, int), lambda x: 1 / 0) == words


def test_a_dict_keeps_what_it_makes_of_missing_keys() -> None:
    made = utils.apply_to(defaultdict(list, a=1), lambda x: x == 1, lambda x: 2)
    assert made["a"] == 2
    assert made["b"] == []


def test_links(tmp_path: Path) -> None:
    link, first, second = tmp_path / "link", tmp_path / "first", tmp_path / "second"
    for file in (first, second):
        file.write_text(file.name)
    utils.symlink(first, link)
    utils.symlink(second, link)
    assert link.read_text() == "second"
    with pytest.raises(FileExistsError):
        utils.symlink(first, link, overwrite=False)
    utils.symlink("nowhere", link)
    utils.symlink(first, link)  # over one that points nowhere
    assert link.read_text() == "first"


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    utils.mkdir_or_exist("~/a/b")
    utils.mkdir_or_exist("~/a/b")
    assert (tmp_path / "a" / "b").is_dir()


def test_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert utils.get_git_hash(fallback="none") == "none"
    who = ["-c", "user.name=a", "-c", "user.email=a@engine.example"]
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], check=True)
    assert utils.get_git_hash(digits=7) == utils.get_git_hash()[:7] != ""
    monkeypatch.setenv("PATH", "")
    assert utils.get_git_hash() == "unknown"


def test_a_module_in_one_file_has_its_file() -> None:
    assert utils.get_installed_path("typing_extensions").endswith("typing_extensions.py")
    assert utils.get_installed_path("typing-extensions").endswith("typing_extensions.py")


def test_what_is_installed_is_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "check_call", asked.append)
    utils.install_package("torch")
    assert asked == []
    utils.install_package("no-such-package")
    assert asked == [[sys.executable, "-m", "pip", "install", "no-such-package"]]
    with pytest.raises(ValueError, match="no name of a package"):
        utils.install_package("--no-index")


def test_missing_prerequisites_are_named() -> None:
    @utils.requires_executable(["sh", "no such program"])
    def draw() -> None: ...

    with pytest.raises(RuntimeError, match='"no such program" are required in method "draw"'):
        draw()


def test_an_old_name_is_told_at_the_call() -> None:
    @utils.deprecated_api_warning({"old": "new"}, cls_name="Thing")
    def method(new: int) -> int:
        return new

    with pytest.warns(DeprecationWarning, match=r'"old" .* `Thing.method`, .* "new"') as told:
        assert method(old=3) == 3
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert method(new=3) == method(3) == 3


def test_a_deprecated_function_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    @utils.deprecated_function("0.1", "0.9", "use x instead")
    def work() -> int:
        return 1

    with caplog.at_level(logging.WARNING, "engine.runner"):
        assert work() + work() == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"'{__name__}.work' is deprecated in version 0.1 and will be removed in version 0.9. "
        "Please use x instead."
    ]


def test_a_failed_import_is_told() -> None:
    with pytest.warns(UserWarning, match="_nope_ failed to import and is ignored"):
        assert utils.import_modules_from_strings(["_nope_"], allow_failed_imports=True) == [None]


def test_a_timer(capsys: pytest.CaptureFixture[str]) -> None:
    timer = utils.Timer()
    first, second = timer.since_start(), timer.since_start()
    assert 0 < first < second
    assert timer.since_last_check() < timer.since_start()
    with utils.Timer(print_tmpl="{:.0f} s") as inner:
        pass
    assert capsys.readouterr().out == "0 s\n"
    assert not inner.is_running
    with pytest.raises(utils.TimerError, match="start"):
        inner.since_start()
    assert utils.check_time("of a test") == 0 < utils.check_time("of a test")


def test_a_bar_must_be_started() -> None:
    bar = utils.ProgressBar(2, start=False, file=StringIO())
    with pytest.raises(RuntimeError, match="start"):
        bar.update()


def test_a_bar_is_never_longer_than_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    written = StringIO()
    bar = utils.ProgressBar(4, file=written)
    for _ in range(8):  # more than there are
        bar.update()
    lines = written.getvalue().split("\r")[1:]
    assert len(lines) == 8
    assert all(len(line) < 90 and line.startswith("[>") for line in lines)


def _fail() -> None:
    raise ValueError("this process cannot be set up")


def test_a_process_that_cannot_be_set_up_is_told() -> None:
    logging.getLogger("concurrent.futures").setLevel(logging.CRITICAL)
    with pytest.raises(BrokenProcessPool):
        utils.track_parallel_progress(abs, [1, 2], 2, initializer=_fail, file=StringIO())


@pytest.mark.parametrize("keep_order", [True, False])
def test_tasks_of_a_generator_are_not_all_held(keep_order: bool) -> None:
    asked, seen = 0, 0

    def tasks() -> Iterator[int]:
        nonlocal asked
        for number in range(200):
            asked += 1
            assert asked - seen <= 2 * 4 + 2
            yield number

    class Counted(StringIO):
        def write(self, text: str) -> int:
            nonlocal seen
            seen += text.startswith("\r")
            return len(text)

    done = utils.track_parallel_progress(
        abs, (tasks(), 200), 2, keep_order=keep_order, file=Counted()
    )
    assert sorted(done) == list(range(200))


def test_the_average_of_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    @utils.TimeCounter(log_interval=2, warmup_interval=2, tag="of a test")
    def work() -> int:
        return 3

    assert [work() for _ in range(4)] == [3] * 4
    runs = [line.partition("past ")[2].partition(" runs")[0] for line in _lines(capsys)]
    assert runs == ["1", "3"]
    assert utils.TimeCounter(tag="of a test") is utils.TimeCounter.instance_dict["of a test"]
    with utils.TimeCounter(tag="a block of a test"):
        pass
    assert len(_lines(capsys)) == 1
    with pytest.raises(ValueError, match="tag"), utils.TimeCounter():
        pass
    with pytest.raises(ValueError, match="log_interval"):
        utils.TimeCounter(log_interval=0)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_environment() -> None:
    told = utils.collect_env()
    assert told["PyTorch"] == utils.TORCH_VERSION == torch.__version__
    assert told["CUDA available"] == str(torch.cuda.is_available())
    assert [name for name in told if name.startswith("engine-")] == [
        f"engine-{name}"
        for name in ("config", "registry", "dist", "optim", "dataset", "evaluator", "runner")
    ]
    assert told["numpy"]
    assert all(isinstance(value, str) for value in told.values())


_STARTED = """
import multiprocessing, os
from engine_runner.utils import set_multi_processing
set_multi_processing("spawn", distributed=True)
print(multiprocessing.get_start_method(), os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"])
set_multi_processing(None)
print(multiprocessing.get_start_method())
"""


def test_how_processes_start() -> None:
    environment = {key: v for key, v in os.environ.items() if key != "MKL_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", _STARTED],
        env={**environment, "OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["spawn", "3", "1", "spawn"]
    with pytest.raises(ValueError, match="cannot find context"):
        utils.set_multi_processing("no such way", opencv_num_threads=None)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def test_a_checkpoint_is_fetched_once(served: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = served
    torch.save({"weight": torch.ones(2)}, folder / "model.pth")
    for _ in range(2):
        loaded = utils.load_url(f"{address}/model.pth", tmp_path, file_name="kept.pth")
        assert torch.equal(loaded["weight"], torch.ones(2))
        (folder / "model.pth").unlink(missing_ok=True)
    with pytest.raises(ValueError, match="SHA-256"):
        utils.load_url(f"{address}/model.pth", tmp_path, check_hash=True)


class Opened:
    def __reduce__(self) -> Any:
        return open, (str(Path.cwd() / "never"), "w")


@pytest.mark.parametrize("weights_only", [True, False])
def test_what_is_fetched_runs_nothing(
    served: tuple[str, Path], tmp_path: Path, weights_only: bool
) -> None:
    torch.save(Opened(), served[1] / "evil.pth")
    with pytest.raises(UnsafeCheckpointError):
        utils.load_url(f"{served[0]}/evil.pth", tmp_path, weights_only=weights_only)
    assert not (Path.cwd() / "never").exists()
