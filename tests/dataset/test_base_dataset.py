"""BaseDataset: metainfo, loading, filtering, subsets, reading, and what goes wrong."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine_config import Config
from engine_dataset import BaseDataset, force_full_init
from engine_dataset.formats import AnnotationError
from engine_registry import DATASETS
from tests.dataset.samples import Numbers, write

ENTRIES = [{"img_path": f"{n}.png", "label": n % 3} for n in range(6)]


class Facts(Numbers):
    METAINFO = {"classes": ("a", "b"), "task": "toy"}  # noqa: RUF012  # MMEngine's convention


class Filtered(Numbers):
    def filter_data(self) -> list[dict[str, Any]]:
        least = (self.filter_cfg or {}).get("least", 0)
        return [entry for entry in self.data_list if entry["number"] >= least]


def numbers(dataset: Any) -> list[int]:
    return [dataset[i]["number"] for i in range(len(dataset))]


# ------------------------------------------------------------------------ metainfo


def test_metainfo_of_class_argument_and_file(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    file = write(tmp_path / "a.json", ENTRIES, {"classes": ["file"], "from_file": 1, "task": "f"})

    class Own(BaseDataset):
        METAINFO = {"task": "class", "own": 1}  # noqa: RUF012  # MMEngine's convention

    given = {"classes": str(names), "word": "no file"}
    dataset = Own(ann_file=file, metainfo=given)
    assert dataset.metainfo == {
        "task": "class", "own": 1, "classes": ["cat", "dog"], "word": "no file", "from_file": 1,
    }  # fmt: skip
    assert Own.METAINFO == {"task": "class", "own": 1}


def test_metainfo_that_names_a_storage_without_access_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("s3fs", "boto3"):  # as if it were not installed
        monkeypatch.setitem(sys.modules, name, None)
    given = {"source": "s3://bucket/scans", "other": "gs://bucket/scans"}
    assert Numbers(metainfo=given).metainfo == given


def test_metainfo_is_read_only() -> None:
    dataset = Facts(metainfo={"palette": [1]})
    dataset.metainfo["palette"].append(2)
    assert dataset.metainfo == {"classes": ("a", "b"), "task": "toy", "palette": [1]}
    with pytest.raises(AttributeError):
        dataset.metainfo = {}  # type: ignore[misc]  # the mistake under test
    assert Facts(metainfo=Config({"task": "x"})).metainfo["task"] == "x"
    with pytest.raises(TypeError, match="metainfo should be a dict or a config, got list"):
        Numbers(metainfo=["a"])


# ------------------------------------------------------------------------- loading


def test_paths_are_joined(tmp_path: Path) -> None:
    write(tmp_path / "a.json", ENTRIES)
    dataset = BaseDataset("a.json", data_root=str(tmp_path), data_prefix={"img_path": "imgs"})
    assert dataset.ann_file == str(tmp_path / "a.json")
    assert dataset.data_prefix == {"img_path": str(tmp_path / "imgs")}
    assert dataset.get_data_info(1) == {
        "img_path": str(tmp_path / "imgs" / "1.png"), "label": 1, "sample_idx": 1,
    }  # fmt: skip
    elsewhere = BaseDataset("a.json", data_root=str(tmp_path), data_prefix={"img_path": "s3://b"})
    assert elsewhere[0]["img_path"] == "s3://b/0.png"
    for root, file in ((tmp_path, "a.json"), ("", tmp_path / "a.json")):
        assert BaseDataset(file, data_root=root).ann_file == str(tmp_path / "a.json")
    alone = BaseDataset("a.json", data_root=str(tmp_path))
    assert alone[0]["img_path"] == str(tmp_path / "0.png")
    write(tmp_path / "b.json", [{"img_path": "s3://bucket/0.png"}])
    remote = BaseDataset("b.json", data_root=str(tmp_path), data_prefix={"img_path": "imgs"})
    assert remote[0]["img_path"] == "s3://bucket/0.png"


def test_built_from_a_config(tmp_path: Path) -> None:
    cfg = Config({"type": "BaseDataset", "ann_file": write(tmp_path / "a.json", ENTRIES),
                  "data_prefix": {"img_path": "x"}, "pipeline": [{"type": dict}]})  # fmt: skip
    del cfg["pipeline"]
    dataset: Any = DATASETS.build(cfg)
    assert dataset[5]["img_path"] == "x/5.png"


def test_a_prefix_that_entries_lack_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", ENTRIES)
    with pytest.raises(KeyError, match=r"data_prefix has 'depth', which the entry .*a\.json"):
        BaseDataset(file, data_prefix={"depth": "d"})
    with pytest.raises(TypeError, match=r"data_prefix\['img_path'\] should be a string, got int"):
        BaseDataset(file, data_prefix={"img_path": 3})
    with pytest.raises(TypeError, match=r"data_prefix should be a dict .*, got 'images'"):
        BaseDataset(file, data_prefix="images")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(AnnotationError, match=r"'label', but that of the entry .* is no path"):
        BaseDataset(file, data_prefix={"label": "d"})


@pytest.mark.parametrize(
    ("parsed", "length"), [(lambda e: e, 5), (lambda e: [e, dict(e)], 10), (lambda e: [], 0)]
)
def test_an_entry_may_be_several(
    tmp_path: Path, parsed: Callable[[Any], Any], length: int
) -> None:
    class Parsed(BaseDataset):
        def parse_data_info(self, raw_data_info: dict[str, Any]) -> Any:
            return parsed(raw_data_info)

    file = write(tmp_path / "a.json", ENTRIES[:5])
    assert len(Parsed(file)) == length


@pytest.mark.parametrize("wrong", [3, [{}, 1], None])
def test_other_things_are_no_entry(tmp_path: Path, wrong: Any) -> None:
    class Parsed(BaseDataset):
        def parse_data_info(self, raw_data_info: dict[str, Any]) -> Any:
            return wrong

    with pytest.raises(TypeError, match=r"Parsed\.parse_data_info should return a dict or a list"):
        Parsed(write(tmp_path / "a.json", ENTRIES))


@pytest.mark.parametrize("method", ["load_data_list", "filter_data"])
def test_entries_come_as_anything_that_lists_them(method: str) -> None:
    def listing(found: Any) -> Any:
        return type("Own", (Numbers,), {method: lambda self: found})

    assert len(listing(iter([{}, {}]))()) == 2
    assert len(listing(({}, {}))(serialize_data=False)) == 2
    for wrong in (None, 3, {"a": 1}):
        with pytest.raises(TypeError, match=rf"Own\.{method} should return a list of dicts, got"):
            listing(wrong)()


@pytest.mark.parametrize("serialize", [True, False])
def test_an_entry_that_is_no_dict_is_named(serialize: bool) -> None:
    dataset = Numbers(range(3), serialize_data=False)
    dataset.data_list[1] = "text"
    dataset.serialize_data = serialize
    dataset.data_bytes, _ = dataset._serialize_data() if serialize else (dataset.data_bytes, None)
    with pytest.raises(TypeError, match="entry 1 of Numbers should be a dict, got str 'text'"):
        dataset[1]


def test_an_entry_that_cannot_be_pickled_is_named() -> None:
    entries = [{"number": n} for n in range(3)] + [{"number": 3, "f": lambda: 1}]
    own = type("Own", (Numbers,), {"load_data_list": lambda self: entries})
    with pytest.raises(TypeError, match="entry 3 cannot be pickled, which serialize_data=True"):
        own()
    assert own(serialize_data=False)[3]["f"]() == 1


def test_a_subclass_may_set_all_itself(tmp_path: Path) -> None:
    class Own(BaseDataset):
        def __init__(self, ann_file: str) -> None:
            self.ann_file, self.data_root, self.data_prefix = ann_file, "", {}
            self._metainfo, self._indices, self.serialize_data = {}, None, True
            self.pipeline, self.test_mode, self.max_refetch = dict, False, 10
            self.full_init()

    assert Own(write(tmp_path / "a.json", ENTRIES))[2]["label"] == 2


def test_filter_and_indices() -> None:
    assert numbers(Filtered(filter_cfg={"least": 3})) == [3, 4]
    assert numbers(Filtered(range(9), filter_cfg={"least": 3}, indices=2)) == [3, 4]
    assert numbers(Filtered(range(9), filter_cfg={"least": 3}, indices=[-1, 0])) == [8, 3]


def test_lazily(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Numbers(lazy_init=True)
    assert not dataset.data_list
    with caplog.at_level(logging.WARNING, "engine.dataset"):
        assert len(dataset) == 5
    assert "Numbers.__len__ was called before full_init()" in caplog.text
    caplog.clear()
    dataset.full_init()
    other = Numbers(lazy_init=True)
    other.full_init()
    assert other[1]["number"] == 1
    assert not caplog.text
    with caplog.at_level(logging.WARNING, "engine.dataset"):
        assert Numbers(lazy_init=True)[1]["number"] == 1
    assert "the annotations are loaded now, in __getitem__" in caplog.text


def test_forced_initialisation_needs_a_method() -> None:
    class Odd:
        @force_full_init
        def read(self) -> int:
            return 1

    with pytest.raises(AttributeError, match="Odd has no method full_init"):
        Odd().read()


# ------------------------------------------------------------------------- reading


@pytest.mark.parametrize("serialize", [True, False])
def test_an_entry_is_a_copy(serialize: bool) -> None:
    dataset = Numbers(serialize_data=serialize)
    assert len(dataset) == 5
    assert bool(dataset.data_list) is not serialize
    dataset.get_data_info(1)["cats"].append("changed")
    assert dataset.get_data_info(1) == {"number": 1, "cats": [1], "sample_idx": 1}
    assert dataset.get_data_info(-1)["sample_idx"] == 4
    for index in (np.int64(2), torch.tensor(2), np.array(2)):  # as samplers may give it
        assert repr(dataset[index]["sample_idx"]) == "2"  # type: ignore[index]  # not an int


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize("index", [5, -6])
def test_out_of_range(serialize: bool, index: int) -> None:
    dataset = Numbers(serialize_data=serialize)
    with pytest.raises(IndexError, match=f"sample {index} of 5 in Numbers: out of range"):
        dataset[index]
    assert sum(1 for _ in iter(dataset)) == 5  # an IndexError ends the iteration


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize("index", ["a", None, 1.5, slice(1, 3), [1]])
def test_what_is_no_index(serialize: bool, index: Any) -> None:
    with pytest.raises(TypeError, match="a sample of Numbers is asked for by an int, got"):
        Numbers(serialize_data=serialize)[index]


def test_max_refetch_is_a_number_of_samples() -> None:
    with pytest.raises(ValueError, match="max_refetch should be 0 or more, got -1"):
        Numbers(max_refetch=-1)


def test_categories_are_for_a_subclass() -> None:
    assert Numbers().get_cat_ids(3) == [1]
    dataset = BaseDataset(lazy_init=True)
    with pytest.raises(NotImplementedError, match="BaseDataset does not say what a category is"):
        dataset.get_cat_ids(0)


class Only:
    """Gives None for all but one number."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self.calls = 0

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any] | None:
        self.calls += 1
        return sample if sample["number"] == self.number else None


def test_where_the_pipeline_gives_none_another_is_taken() -> None:
    assert Numbers(pipeline=[Only(3)])[0]["number"] == 3


@pytest.mark.parametrize("most", [0, 4])
def test_none_for_ever_ends_with_an_error(most: int) -> None:
    step = Only()
    dataset = Numbers(pipeline=[dict, step], max_refetch=most)
    with pytest.raises(
        RuntimeError,
        match=rf"step 1, Only returned None for sample 2 of Numbers and for {most} others",
    ):
        dataset[2]
    assert step.calls == most + 1


def test_in_test_mode_none_is_an_error_at_once() -> None:
    step = Only(3)
    dataset = Numbers(pipeline=[step], test_mode=True)
    with pytest.raises(RuntimeError, match="step 0, Only returned None for sample 2 of Numbers;"):
        dataset[2]
    assert step.calls == 1
    assert dataset[3]["number"] == 3


def test_a_failing_transform_keeps_its_error() -> None:
    dataset = Numbers(pipeline=[dict, lambda sample: sample["nothing"]])
    with pytest.raises(KeyError, match="nothing") as caught:
        dataset[4]
    step, sample = caught.value.__notes__
    assert step.startswith("in step 1 of the pipeline, ")
    assert sample == "with sample 4 of Numbers"


# ------------------------------------------------------------------------- subsets


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize(
    ("indices", "expected"),
    [(2, [0, 1]), (-2, [3, 4]), (0, []), ([4, 0, 0], [4, 0, 0]), ([-1], [4]), ((1,), [1]),
     (np.array([2, 3]), [2, 3])],
)  # fmt: skip
def test_subsets(serialize: bool, indices: Any, expected: list[int]) -> None:
    dataset = Numbers(serialize_data=serialize, pipeline=[dict])
    subset = dataset.get_subset(indices)
    assert type(subset) is Numbers
    assert numbers(subset) == expected
    assert numbers(dataset) == list(range(5))
    assert subset.pipeline is not dataset.pipeline
    dataset.get_subset_(indices)
    assert numbers(dataset) == expected
    if expected:
        assert dataset.get_data_info(0)["sample_idx"] == 0


def test_a_subset_of_a_subset() -> None:
    assert numbers(Numbers(range(9)).get_subset(-6).get_subset([5, 0])) == [8, 3]


@pytest.mark.parametrize("serialize", [True, False])
def test_more_than_there_are_is_all(serialize: bool) -> None:
    # as MMEngine takes it: a count is the bound of a slice
    for count in (5, 6, 100, -5, -6, -100):
        assert numbers(Numbers(serialize_data=serialize, indices=count)) == numbers(Numbers())
        assert numbers(Numbers(serialize_data=serialize).get_subset(count)) == numbers(Numbers())
    assert numbers(Numbers(serialize_data=serialize, indices=0)) == []


@pytest.mark.parametrize("serialize", [True, False])
def test_subsets_that_cannot_be(serialize: bool) -> None:
    dataset = Numbers(serialize_data=serialize)
    for many in ([5], [-6]):
        with pytest.raises(IndexError, match=f"sample {many[0]} of 5: out of range"):
            dataset.get_subset_(many)
    mask = [True, False, True, False, True]
    for odd in ("12", 1.5, [1.5], mask, np.array(mask), np.array([[1]]), ["a"], {1}):
        with pytest.raises(TypeError, match="indices should be an int or a sequence of ints"):
            dataset.get_subset(odd)  # type: ignore[arg-type]  # the mistake under test


def test_pickled_whole() -> None:
    for serialize in (True, False):
        dataset = pickle.loads(pickle.dumps(Numbers(serialize_data=serialize, pipeline=[dict])))
        assert numbers(dataset) == list(range(5))


def test_a_table_without_paths(tmp_path: Path) -> None:
    # nobody gave a folder for them: the default, which is empty, is for entries that have paths
    (tmp_path / "train.csv").write_text("x,label\n1,0\n2,1\n")
    for more in ({}, {"data_prefix": {"img_path": ""}}, {"data_root": str(tmp_path)}):
        file = "train.csv" if "data_root" in more else str(tmp_path / "train.csv")
        dataset = BaseDataset(file, **more)
        assert [dataset[i]["x"] for i in range(2)] == [1, 2]
    with pytest.raises(KeyError, match="data_prefix has 'img_path', which the entry"):
        BaseDataset(str(tmp_path / "train.csv"), data_prefix={"img_path": "images"})
