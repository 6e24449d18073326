"""BaseDataElement, PixelData and LabelData."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_dataset import BaseDataElement, InstanceData, LabelData, PixelData

# --------------------------------------------------------------- BaseDataElement


def element() -> BaseDataElement:
    return BaseDataElement(
        metainfo={"size": [4, 4]},
        box=torch.ones(2, requires_grad=True),
        array=np.arange(3),
        inner=BaseDataElement(metainfo={"id": 1}, x=torch.zeros(1)),
        name="cat",
    )


def test_fields() -> None:
    sample = element()
    assert sample.keys() == ["box", "array", "inner", "name"]
    assert sample.metainfo_keys() == ["size"]
    assert sample.all_keys() == ["size", "box", "array", "inner", "name"]
    assert sample.values()[-1] == "cat"
    assert sample.metainfo_values() == [[4, 4]]
    assert len(sample.all_values()) == 5
    assert dict(sample.all_items())["name"] == "cat"
    assert dict(sample.metainfo_items()) == sample.metainfo == {"size": [4, 4]}
    assert "box" in sample
    assert "size" in sample
    assert "other" not in sample
    assert sample.get("other", 3) == 3
    assert sample.get("name") == "cat"


def test_setting_deleting_popping() -> None:
    sample = element()
    sample.label = 3
    sample.name = "dog"
    assert (sample.label, sample.name) == (3, "dog")
    del sample.label
    assert "label" not in sample
    assert not hasattr(sample, "label")
    assert sample.pop("name") == "dog"
    assert sample.pop("name", None) is None
    assert sample.pop("size") == [4, 4]
    assert sample.metainfo_keys() == []
    del sample.box
    with pytest.raises(KeyError, match=r"'box' is no field; there are \['array', 'inner'\]"):
        sample.pop("box")
    with pytest.raises(AttributeError):
        del sample.box
    with pytest.raises(TypeError, match="pop takes a name"):
        sample.pop()


def test_metainfo_is_copied_and_not_assigned() -> None:
    size = [4, 4]
    sample = BaseDataElement(metainfo={"size": size})
    size.append(5)
    assert sample.size == [4, 4]
    with pytest.raises(AttributeError, match="size"):
        sample.size = 3
    with pytest.raises(AttributeError, match="box"):
        element().set_metainfo({"box": 3})
    sample.set_metainfo({"size": 1})
    assert sample.metainfo == {"size": 1}
    for wrong in ([("a", 1)], None):
        with pytest.raises(TypeError, match="should be a dict"):
            sample.set_metainfo(wrong)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="data should be a dict"):
        sample.set_data([1])  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("name", ["_metainfo_fields", "_data_fields"])
def test_the_names_of_fields_are_protected(name: str) -> None:
    with pytest.raises(AttributeError, match="cannot be replaced"):
        setattr(element(), name, set())
    with pytest.raises(AttributeError, match="cannot be deleted"):
        delattr(element(), name)


def test_update_new_clone() -> None:
    sample = element()
    other = sample.new(metainfo={"id": 2}, x=1)
    assert (other.metainfo, other.keys()) == ({"id": 2}, ["x"])
    assert sample.new().all_keys() == sample.all_keys()
    assert sample.new().array is sample.array
    sample.update(other)
    assert (sample.id, sample.x, sample.size) == (2, 1, [4, 4])
    with pytest.raises(TypeError, match="update needs a BaseDataElement, got dict"):
        sample.update({})  # type: ignore[arg-type]  # the mistake under test
    sample = BaseDataElement(metainfo={"size": [4]}, array=np.arange(3))
    twin = sample.clone()
    twin.array[0] = 9
    twin.size.append(1)
    assert (sample.array[0], sample.size) == (0, [4])
    for same in (copy.deepcopy(sample), pickle.loads(pickle.dumps(sample))):
        assert same.to_dict().keys() == sample.to_dict().keys()


def test_what_has_a_gradient_is_cloned_in_its_graph() -> None:
    weight = torch.ones(2, requires_grad=True)
    sample = BaseDataElement(loss=weight * 2, inner=BaseDataElement(loss=weight * 3))
    twin = sample.clone()
    assert twin.loss is not sample.loss
    (twin.loss + twin.inner.loss).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [5, 5]


def test_arrays_and_tensors_that_have_no_exact_counterpart() -> None:
    found = BaseDataElement(half=torch.tensor([1.5], dtype=torch.bfloat16)).numpy()
    assert (found.half.dtype, found.half.tolist()) == (np.float32, [1.5])
    frozen = np.arange(3)
    frozen.flags.writeable = False
    tensors = BaseDataElement(flipped=np.arange(3)[::-1], frozen=frozen).to_tensor()
    assert (tensors.flipped.tolist(), tensors.frozen.tolist()) == ([2, 1, 0], [0, 1, 2])
    array = np.arange(3)
    assert BaseDataElement(array=array).to_tensor().array.data_ptr() == array.ctypes.data


def test_conversions_leave_the_element_as_it_is() -> None:
    sample = element()
    half = sample.to(torch.float16)
    assert half.box.dtype == half.inner.x.dtype == torch.float16
    assert sample.box.dtype == torch.float32
    assert half.metainfo == sample.metainfo
    assert half.name == "cat"
    assert not sample.detach().box.requires_grad
    arrays = sample.numpy()
    assert isinstance(arrays.box, np.ndarray)
    assert isinstance(arrays.inner.x, np.ndarray)
    tensors = arrays.to_tensor()
    assert torch.equal(tensors.array, torch.arange(3))
    assert torch.is_tensor(tensors.inner.x)
    assert sample.cpu().box.device.type == "cpu"
    assert sample.to("meta").inner.x.device.type == "meta"
    inner = sample.to_dict()["inner"]
    assert inner["id"] == 1


@pytest.mark.gpu
def test_cuda() -> None:
    assert element().cuda().inner.x.is_cuda


class Boxed(BaseDataElement):
    """Checks the type of a field by a property."""

    @property
    def box(self) -> torch.Tensor:
        found: torch.Tensor = self._box
        return found

    @box.setter
    def box(self, value: torch.Tensor) -> None:
        self.set_field(value, "_box", dtype=torch.Tensor)

    @box.deleter
    def box(self) -> None:
        del self._box


def test_properties_check_types() -> None:
    sample = Boxed(box=torch.ones(2))
    assert "box" in sample.keys() or "_box" in sample.keys()  # noqa: SIM118  # not a mapping
    assert sample.box.tolist() == [1, 1]
    with pytest.raises(TypeError, match="Tensor"):
        sample.box = 3  # type: ignore[assignment]  # the mistake under test
    del sample.box
    assert not hasattr(sample, "box")
    with pytest.raises(ValueError, match="field_type should be 'metainfo' or 'data', got 'x'"):
        sample.set_field(1, "a", field_type="x")  # type: ignore[arg-type]  # the mistake under test


def test_repr_is_clear() -> None:
    text = repr(
        BaseDataElement(
            metainfo={"size": (4, 4)},
            long=torch.zeros(3, 5),
            short=torch.tensor([1]),
            inner=InstanceData(scores=[1]),
        )
    )
    assert text.splitlines() == [
        "BaseDataElement(",
        "  metainfo:",
        "    size: (4, 4)",
        "  data:",
        "    long: tensor of shape (3, 5), torch.float32, cpu",
        "    short: tensor([1])",
        "    inner: InstanceData(",
        "      data:",
        "        scores: [1]",
        "    )",
        ")",
    ]


# -------------------------------------------------------------------- PixelData


def test_pixels() -> None:
    maps = PixelData(metainfo={"id": 1}, depth=torch.arange(24).reshape(4, 6))
    maps.normals = np.zeros((3, 4, 6))
    assert maps.shape == (4, 6)
    assert maps.depth.shape == (1, 4, 6)
    part = maps[1:3, -1]
    assert part.depth.tolist() == [[[11], [17]]]
    assert part.normals.shape == (3, 2, 1)
    assert maps[np.int64(-1), np.int64(0)].depth.tolist() == [[[18]]]
    assert part.metainfo == {"id": 1}
    assert PixelData().shape is None


def test_odd_pixels() -> None:
    maps = PixelData(depth=torch.zeros(4, 6))
    with pytest.raises(ValueError, match=r"mask is \(4, 5\) in height and width, but depth"):
        maps.mask = torch.zeros(4, 5)
    with pytest.raises(ValueError, match=r"should have shape \(H, W\) or \(C, H, W\), got \(4,\)"):
        maps.mask = torch.zeros(4)
    with pytest.raises(TypeError, match="mask should be a tensor or array, got list"):
        maps.mask = [[0]]
    with pytest.raises(TypeError, match="pixels are indexed by rows and columns"):
        maps[1]  # type: ignore[index]  # the mistake under test
    with pytest.raises(TypeError, match="by ints and slices, got list"):
        maps[[1], 1]  # type: ignore[index]  # the mistake under test
    with pytest.raises(IndexError, match="index 6 is out of range for a size of 6"):
        maps[0, 6]


# -------------------------------------------------------------------- LabelData


@given(st.sets(st.integers(0, 9)), st.sampled_from([torch.int64, torch.int32, torch.uint8]))
def test_labels_and_back(labels: set[int], dtype: torch.dtype) -> None:
    given_labels = torch.tensor(sorted(labels), dtype=dtype)
    onehot = LabelData.label_to_onehot(given_labels, 10)
    assert onehot.dtype == dtype
    assert onehot.tolist() == [int(i in labels) for i in range(10)]
    assert LabelData.onehot_to_label(onehot).tolist() == sorted(labels)


def test_odd_labels() -> None:
    for wrong in (10, -1):
        with pytest.raises(ValueError, match=r"labels should be in \[0, 10\)"):
            LabelData.label_to_onehot(torch.tensor([wrong]), 10)
    for odd in ([1], np.array([1]), torch.tensor([1.5])):
        with pytest.raises(TypeError, match="labels should be a tensor of integers, got"):
            LabelData.label_to_onehot(odd, 10)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="a one-hot vector should be a tensor, got"):
        LabelData.onehot_to_label([1, 0])  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match="one dimension"):
        LabelData.onehot_to_label(torch.ones(2, 2))
    with pytest.raises(ValueError, match="zeros and ones alone"):
        LabelData.onehot_to_label(torch.tensor([2, 0]))


def test_metainfo_is_copied_together_and_constants_are_not() -> None:
    shared, size = [1], (2, (3, [4]))
    element = BaseDataElement(metainfo={"a": shared, "b": shared, "size": size, "name": "x"})
    assert element.a is element.b
    assert element.a is not shared
    size[1][1].append(5)
    assert element.size == (2, (3, [4]))
    assert element.metainfo_keys() == ["a", "b", "size", "name"]


def test_what_is_no_name_is_refused() -> None:
    for method in ("set_data", "set_metainfo"):
        with pytest.raises(TypeError):
            getattr(BaseDataElement(), method)({1: 2})


class Loud(BaseDataElement):
    """Has a say in every field."""

    def set_field(self, value: Any, name: str, *args: Any, **kwargs: Any) -> None:
        super().set_field(value, name.lower(), *args, **kwargs)


def test_a_subclass_that_sets_fields_itself_is_asked() -> None:
    element = Loud(metainfo={"SIZE": 1}, BOX=2)
    assert element.to_dict() == {"size": 1, "box": 2}
