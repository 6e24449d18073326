"""The forms in which samples come, and what is wrong with those that do not fit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from engine_evaluator import Batch
from engine_evaluator.batch import rows

SCORES = [[0.2, 0.8], [0.7, 0.3]]


@pytest.mark.parametrize(
    "samples",
    [
        {"s": torch.tensor(SCORES), "y": torch.tensor([1, 0])},
        {"s": np.array(SCORES), "y": np.array([1, 0])},
        {"s": SCORES, "y": [1, 0]},
        {"s": [torch.tensor(SCORES[0]), np.array(SCORES[1], np.float32)], "y": (1, np.int64(0))},
        [{"s": np.array(SCORES[i]), "y": np.array(1 - i)} for i in range(2)],
        ({"s": torch.tensor(SCORES[0]), "y": torch.tensor(1)}, {"s": SCORES[1], "y": 0}),
    ],
)
def test_fields_of_any_form(samples: Any) -> None:
    batch = Batch(samples)
    assert len(batch) == 2
    assert torch.equal(batch["s"].float(), torch.tensor(SCORES))
    assert batch["y"].tolist() == [1, 0]
    assert batch.head(1)["y"].tolist() == [1]


def test_labels_from_what_the_data_set_gave_for_every_sample() -> None:
    batch = Batch([{"pred": 1}, {"pred": 0}], [{"y": 1}, {"y": 0}])
    assert batch["y"].tolist() == [1, 0]
    assert "pred" in batch
    assert "z" not in batch


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([{"y": 1}, {}], KeyError, "sample 1 of the batch has no field 'y', which the first has"),
        ([{"y": [1]}, {"y": [1, 2]}], ValueError, "field 'y' of the samples makes no tensor"),
        ({"y": ["a", "b"]}, ValueError, "field 'y' of the samples makes no tensor"),
        (["text"], KeyError, "have no field 'y'; they have []"),
    ],
)
def test_what_makes_no_tensor(samples: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Batch(samples)["y"]


def test_numbers_of_samples_must_agree() -> None:
    for samples in ({"loss": torch.ones(1), "y": torch.ones(4)}, {"y": [1], "s": np.ones(4)}):
        with pytest.raises(ValueError, match=r"different numbers of samples: \{.*1.* 4\}; give"):
            Batch(samples)
        with pytest.raises(ValueError, match="different numbers of samples"):
            rows(samples)
    batch = Batch({"s": torch.ones(4, 2)}, {"y": torch.ones(3)})
    with pytest.raises(ValueError, match="field 'y' has 3 entries for 4 samples"):
        batch["y"]


def test_rows_of_a_mapping() -> None:
    samples = {
        "s": torch.tensor(SCORES), "a": np.arange(2), "inner": {"y": [1, 0], "k": 3},
        "loss": 0.5, "name": "val", "none": None, "scale": torch.tensor(2.0),
    }  # fmt: skip
    found = rows(samples)
    assert [(row["s"].tolist(), int(row["a"]), row["inner"]) for row in found] == [
        (pytest.approx(SCORES[0]), 0, {"y": 1, "k": 3}),
        (pytest.approx(SCORES[1]), 1, {"y": 0, "k": 3}),
    ]
    for row in found:
        assert (row["loss"], row["name"], row["none"]) == (0.5, "val", None)
        assert float(row["scale"]) == 2
    with pytest.raises(ValueError, match="field 'y' has 1 entries for 2 samples"):
        rows({"s": torch.ones(2), "inner": {"y": [1]}})
