"""Checkpoints that MMEngine wrote load as they are, without MMEngine."""

from __future__ import annotations

import datetime
import io
import pathlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_config import ConfigDict
from engine_dist.checkpoint import (
    HistoryRecord,
    UnsafeCheckpointError,
    load_checkpoint_file,
    save_checkpoint,
)
from engine_dist.checkpoint.loading import read_stream

ASSETS = Path(__file__).parent.parent / "assets"


@pytest.mark.parametrize("name", ["mmengine-0.10.7.pth", "mmengine-0.10.7-legacy.pth"])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_runners_checkpoint(name: str, trusted: bool) -> None:
    loaded = load_checkpoint_file(ASSETS / name, trusted=trusted)
    assert "mmengine" not in sys.modules
    assert torch.equal(loaded["state_dict"]["weight"], torch.arange(6.0).view(2, 3))
    assert loaded["meta"]["dataset_meta"]["classes"] == ("cat", "dog")
    assert loaded["meta"]["dataset_meta"]["palette"].tolist() == [[1, 2, 3]]
    hub = loaded["message_hub"]
    history = hub["log_scalars"]["train/loss"]
    assert isinstance(history, HistoryRecord)
    assert history.log_history.tolist() == [2.0, 1.75, 1.5, 1.25, 1.0]
    assert history.count_history.tolist() == [1] * 5
    assert history.max_length == 1_000_000
    assert hub["runtime_info"]["iter"] == 30
    assert hub["runtime_info"]["numbers"].dtype == np.float32
    assert hub["resumed_keys"]["train/lr"] is True


@pytest.mark.parametrize("version", ["0.7.0", "0.8.4", "0.9.1"])
def test_a_checkpoint_of_an_older_runner(version: str) -> None:
    loaded = load_checkpoint_file(ASSETS / f"mmengine-{version}.pth")
    assert loaded["meta"]["mmengine_version"] == version
    assert (loaded["meta"]["epoch"], loaded["meta"]["iter"]) == (2, 4)
    assert torch.equal(loaded["state_dict"]["weight"], torch.arange(6.0).view(2, 3))
    assert loaded["message_hub"]["log_scalars"]["train/loss"].log_history.tolist() == [1.0] * 4
    assert loaded["optimizer"]["param_groups"][0]["momentum"] == 0.9
    assert len(loaded["param_schedulers"]) == 1


def test_a_config_is_a_config() -> None:
    config = load_checkpoint_file(ASSETS / "mmengine-0.10.7.pth")["config"]
    assert type(config) is ConfigDict
    assert config.model.depth == [1, 2]


def test_the_objects_themselves() -> None:
    loaded = load_checkpoint_file(ASSETS / "mmengine-0.10.7-objects.pth")
    assert loaded["hub"]["log_scalars"]["train/lr"].log_history.tolist() == [0.125]
    assert loaded["history"].log_history.tolist()[-1] == 1.0
    assert type(loaded["scalar"]) is np.float64
    words, flags, turned = loaded["arrays"]
    assert words.tolist() == ["a", "b"]
    assert flags.tolist() == [True]
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_came_from_mmengine_is_saved_plainly(tmp_path: Path) -> None:
    loaded = load_checkpoint_file(ASSETS / "mmengine-0.10.7.pth")
    save_checkpoint(loaded, tmp_path / "a.pth")
    again = torch.load(tmp_path / "a.pth", weights_only=True)
    assert again["message_hub"]["log_scalars"]["train/loss"]["log_history"].tolist()[0] == 2.0


VALUES: list[Any] = [
    np.float32(1.5),
    np.int64(-3),
    np.bool_(True),
    np.str_("word"),
    np.bytes_(b"word"),
    np.datetime64("2024-02-03", "D"),
    np.zeros((0, 3), np.float16),
    np.arange(24).reshape(2, 3, 4)[:, ::2].T,
    np.array([1 + 2j]),
    np.array([1, "two", None], dtype=object),
    np.arange(3, dtype=">i4"),
    np.array(7),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("zipped", [False, True])
def test_values_of_numpy(value: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save({"value": value}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint_file(tmp_path / "a.pth")["value"]
    assert type(loaded) is type(value)
    assert loaded.dtype == value.dtype
    assert np.array_equal(loaded, value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_plain_values_come_back(value: Any) -> None:
    stream = io.BytesIO()
    torch.save({"value": value, "array": np.arange(2)}, stream)
    stream.seek(0)
    assert read_stream(stream, "it")["value"] == value


def test_other_records(tmp_path: Path) -> None:
    counts: defaultdict[str, list[int]] = defaultdict(list)
    counts["a"].append(1)
    shared = [np.int64(1)]
    state = {"counts": counts, "path": pathlib.PosixPath("/a/b"), "two": (shared, shared)}
    torch.save(state, tmp_path / "a.pth")
    loaded = load_checkpoint_file(tmp_path / "a.pth")
    assert loaded["counts"] == {"a": [1]}
    assert type(loaded["counts"]) is dict
    assert loaded["path"] == "/a/b"
    assert loaded["two"][0] is loaded["two"][1]


def test_all_unknown_names_at_once(tmp_path: Path) -> None:
    torch.save({"a": datetime.date(2024, 1, 1), "b": slice(1, 2)}, tmp_path / "a.pth")
    with pytest.raises(UnsafeCheckpointError) as caught:
        load_checkpoint_file(tmp_path / "a.pth")
    assert caught.value.globals == ("builtins.slice", "datetime.date")
    assert "engine import-checkpoint" in str(caught.value)
    assert load_checkpoint_file(tmp_path / "a.pth", trusted=True)["b"] == slice(1, 2)


def test_what_the_user_declared_safe_stays_so(tmp_path: Path) -> None:
    torch.save({"a": datetime.date(2024, 1, 1)}, tmp_path / "a.pth")
    before = set(torch.serialization.get_safe_globals())
    with torch.serialization.safe_globals([datetime.date]):
        assert load_checkpoint_file(tmp_path / "a.pth")["a"].year == 2024
        assert set(torch.serialization.get_safe_globals()) == {*before, datetime.date}
    assert set(torch.serialization.get_safe_globals()) == before
