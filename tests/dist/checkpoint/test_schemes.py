"""From a name with a scheme to a checkpoint: files, a real HTTP server, fsspec, zoos, plug-ins."""

from __future__ import annotations

import hashlib
import importlib
import io
import sys
import threading
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist.checkpoint import (
    CheckpointError,
    CheckpointLoader,
    DownloadError,
    MissingCheckpointError,
    StateMismatchError,
    _load_checkpoint,
    _load_checkpoint_to_model,
    _load_checkpoint_with_prefix,
    download,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
    load_checkpoint,
    load_checkpoint_file,
    save_checkpoint,
    zoo,
)


def saved(state: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


STATE = {"state_dict": {"weight": torch.ones(2)}}
WHOLE = saved(STATE)
HASH = hashlib.sha256(WHOLE).hexdigest()[:8]


@dataclass
class Server:
    """Answers by path; counts what it was asked."""

    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    ours = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ours.asked[self.path] += 1
            failures = ours.failures.get(self.path, [])
            if failures or self.path not in ours.content:
                self.send_error(failures.pop(0) if failures else 404)
                return
            data = ours.content[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if self.path in ours.cut else data)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        ours.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield ours
        running.shutdown()
        thread.join()


def weight(loaded: Any) -> list[float]:
    values: list[float] = loaded["state_dict"]["weight"].tolist()
    return values


def test_a_download_is_kept(server: Server, tmp_path: Path) -> None:
    path = f"/model-{HASH}.pth"
    server.content[path] = WHOLE
    for _ in range(2):
        assert weight(load_checkpoint_file(server.url + path)) == [1.0, 1.0]
    assert server.asked[path] == 1
    kept = tmp_path / "home" / "hub" / "checkpoints" / f"model-{HASH}.pth"
    assert kept.read_bytes() == WHOLE
    kept.write_bytes(WHOLE[:100])  # damaged since
    assert weight(load_checkpoint_file(server.url + path)) == [1.0, 1.0]
    assert server.asked[path] == 2


def test_a_name_without_hash_is_noted(server: Server) -> None:
    server.content["/last.pth"] = WHOLE
    copy = download(f"{server.url}/last.pth")
    assert copy.with_name("last.pth.sha256").read_text().startswith(HASH)
    copy.write_bytes(b"other")
    assert download(f"{server.url}/last.pth").read_bytes() == WHOLE
    server.content["/last.pth?of=another"] = saved({})
    other = download(f"{server.url}/last.pth?of=another")
    assert other != copy  # of another URL


def test_what_is_not_what_its_name_promises(server: Server, tmp_path: Path) -> None:
    server.content["/model-0123abcd.pth"] = WHOLE
    with pytest.raises(DownloadError, match="not what its name promises"):
        load_checkpoint_file(f"{server.url}/model-0123abcd.pth")
    left = tmp_path / "home" / "hub" / "checkpoints"
    assert [p.name for p in left.iterdir() if not p.name.endswith(".lock")] == []
    server.content["/model-20240102.pth"] = WHOLE  # a date is no hash
    assert weight(load_checkpoint_file(f"{server.url}/model-20240102.pth")) == [1.0, 1.0]


def test_failures_that_pass_and_those_that_do_not(server: Server) -> None:
    server.content["/a.pth"] = WHOLE
    server.failures["/a.pth"] = [503]
    assert weight(load_checkpoint_file(f"{server.url}/a.pth")) == [1.0, 1.0]
    with pytest.raises(DownloadError, match="404"):
        load_checkpoint_file(f"{server.url}/absent.pth")
    assert server.asked["/absent.pth"] == 1
    server.content["/cut.pth"] = WHOLE
    server.cut.add("/cut.pth")
    with pytest.raises(DownloadError, match=f"of {len(WHOLE)} bytes"):
        download(f"{server.url}/cut.pth", attempts=2)
    assert server.asked["/cut.pth"] == 2
    for url in (server.url, f"{server.url}/..", f"{server.url}/a/"):
        with pytest.raises(DownloadError, match="names no file"):
            download(url)


def test_processes_of_a_machine_fetch_once(server: Server) -> None:
    path = f"/model-{HASH}.pth"
    server.content[path] = WHOLE
    threads = [threading.Thread(target=download, args=(server.url + path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked[path] == 1


def test_published_models(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content["/a.pth"] = saved({"weight": torch.ones(2)})
    server.content["/c.pth"] = saved(
        {"state_dict": {"backbone.weight": torch.ones(2), "head.weight": torch.ones(1)}}
    )
    tables = {
        "open-mmlab": {"new/name": f"{server.url}/a.pth"},
        "deprecated": {"old_name": "new/name"},
        "mmcls": {"net": f"{server.url}/c.pth"},
    }
    monkeypatch.setattr(zoo, "_tables", lambda: tables)
    for name in ("open-mmlab://new/name", "openmmlab://new/name", "open-mmlab://old_name"):
        assert load_checkpoint_file(name)["weight"].tolist() == [1.0, 1.0]
    assert list(load_checkpoint_file("mmcls://net")["state_dict"]) == ["weight"]
    with pytest.raises(MissingCheckpointError, match="mmcls:// has no model 'resnet'"):
        load_checkpoint_file("mmcls://resnet")


def test_torchvisions_models(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Weights:
        def __init__(self, name: str) -> None:
            self.name, self.url = name, f"{server.url}/{name}.pth"

    models = types.ModuleType("torchvision.models")
    models.list_models = lambda: ["net"]  # type: ignore[attr-defined]  # a stand-in
    models.get_model_weights = lambda name: [Weights("IN_V2"), Weights("IN_V1")]  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    assert set(get_torchvision_models()) == {"net", "net.in_v1", "net.in_v2"}
    server.content["/IN_V1.pth"] = WHOLE
    server.content["/IN_V2.pth"] = saved({"state_dict": {"weight": torch.zeros(2)}})
    assert weight(load_checkpoint_file("torchvision://net")) == [1.0, 1.0]
    assert weight(load_checkpoint_file("modelzoo://net")) == [1.0, 1.0]
    assert weight(load_checkpoint_file("torchvision://net.IN_V2")) == [0.0, 0.0]


def test_the_tables() -> None:
    assert get_mmcls_models()["resnet50"].endswith("resnet50_8xb32_in1k_20210831-ea4938fc.pth")
    assert all(url.startswith("https://") for url in get_external_models().values())
    assert get_deprecated_model_names()["resnet50_caffe"] in get_external_models()


def test_storages_of_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = importlib.import_module("fsspec")
    uri = "memory://engine/model.pth"
    save_checkpoint(STATE, uri)
    assert torch.load(io.BytesIO(fsspec.filesystem("memory").cat("/engine/model.pth")))
    assert weight(load_checkpoint_file(uri)) == [1.0, 1.0]
    assert weight(CheckpointLoader.load_checkpoint(f"cluster:{uri}")) == [1.0, 1.0]
    with pytest.raises(MissingCheckpointError, match="there is no checkpoint memory://absent"):
        load_checkpoint_file("memory://absent.pth")


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a b.pth"
    path.write_bytes(WHOLE)
    for name in (path, str(path), path.as_uri()):
        assert weight(load_checkpoint_file(name)) == [1.0, 1.0]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weight(_load_checkpoint("~/a b.pth")) == [1.0, 1.0]
    mapped = load_checkpoint_file(path, mmap=True)
    assert weight(mapped) == [1.0, 1.0]
    assert load_checkpoint_file(path, "meta")["state_dict"]["weight"].device.type == "meta"
    placed = load_checkpoint_file(path, lambda storage, place: storage)
    assert weight(placed) == [1.0, 1.0]


def test_plug_in_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))

    @CheckpointLoader.register_scheme(prefixes=["vault://", "safe://"])
    def from_vault(filename: str, map_location: Any = None) -> Any:
        return {"state_dict": {"weight": torch.zeros(2)}, "name": filename}

    assert load_checkpoint_file("vault://x")["name"] == "vault://x"
    model = nn.Linear(2, 1, bias=False)
    model.weight = nn.Parameter(torch.ones(2))
    load_checkpoint(model, "safe://x")
    assert not model.weight.any()
    with pytest.raises(KeyError, match="have a loader already"):
        CheckpointLoader.register_scheme("vault://", from_vault)
    CheckpointLoader.register_scheme("vault://", lambda f, map_location: {}, force=True)
    assert load_checkpoint_file("vault://x") == {}


def test_a_part_by_its_prefix(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pth")
    names = ("backbone.weight", "backbone.bias", "backbone2.weight", "head.weight")
    save_checkpoint({"state_dict": {name: torch.ones(1) for name in names}}, path)
    assert list(_load_checkpoint_with_prefix("backbone", path)) == ["weight", "bias"]
    with pytest.raises(StateMismatchError, match=r"neck\. is not in .* begin with backbone"):
        _load_checkpoint_with_prefix("neck", path)
    assert isinstance(StateMismatchError("x"), CheckpointError)


def test_names_are_revised(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pth")
    save_checkpoint({"state_dict": {"old.weight": torch.ones(1, 2)}, "meta": {"a": 1}}, path)
    model = nn.Linear(2, 1, bias=False)
    loaded = load_checkpoint(model, path, revise_keys=[(r"^old\.", "new."), ("new.", "")])
    assert loaded["meta"] == {"a": 1}
    assert torch.equal(model.weight, torch.ones(1, 2))
    _load_checkpoint_to_model(model, {"module.weight": torch.zeros(1, 2)}, strict=True)
    assert not model.weight.any()
    with pytest.raises(CheckpointError, match="No state_dict found"):
        _load_checkpoint_to_model(model, {"state_dict": 3})
