"""What a config says over its base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, ConfigKeyError, ConfigTypeError, ConfigWarning
from tests.config.files import write

BASE = """
model = dict(type='Net', depth=18, head=dict(type='Head', classes=10))
pipeline = [dict(type='Load'), dict(type='Resize', size=32)]
steps = (8, 11)
nothing = None
"""


def over_base(folder: Path, text: str) -> Any:
    return Config.fromfile(write(folder, {"c.py": f"_base_ = 'base.py'\n{text}", "base.py": BASE}))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("model = dict(depth=50)", "depth", 50),
        ("model = dict(head=dict(classes=5))", "head", {"type": "Head", "classes": 5}),
        ("model = dict(head=dict(_delete_=True, a=1))", "head", {"a": 1}),
        (
            "model = dict(head=dict(_delete_=False, a=1))",
            "head",
            {"type": "Head", "classes": 10, "a": 1},
        ),
        ("model = dict(neck=dict(_delete_=False, a=1))", "neck", {"a": 1}),
        ("model = dict(head=None)", "head", None),
        ("model = dict(neck=dict(type='Neck'))", "neck", {"type": "Neck"}),
    ],
)
def test_dictionaries(tmp_path: Path, text: str, key: str, value: Any) -> None:
    cfg = over_base(tmp_path, text)
    assert cfg.model[key] == value
    assert cfg.model.type == "Net"


def test_delete_of_the_whole_and_of_a_list(tmp_path: Path) -> None:
    assert over_base(tmp_path, "model = dict(_delete_=True, b=1)").model == {"b": 1}
    assert over_base(tmp_path, "pipeline = dict(_delete_=True, b=1)").pipeline == {"b": 1}


def test_lists_are_replaced_whole(tmp_path: Path) -> None:
    assert over_base(tmp_path, "pipeline = [dict(type='X')]").pipeline == [{"type": "X"}]
    assert over_base(tmp_path, "steps = 3").steps == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pipeline = dict(a=1)", r"c\.py:2: cannot merge pipeline=.*list.*_delete_=True"),
        ("pipeline = {0: dict(a=1)}", r"c\.py:2: cannot merge pipeline="),
        ("nothing = dict(a=1)", r"c\.py:2: cannot merge nothing=.*NoneType"),
        ("model = dict(depth=dict(a=1))", r"c\.py:2: cannot merge model\.depth="),
    ],
)
def test_what_does_not_merge(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigTypeError, match=message):
        over_base(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message", "value"),
    [
        ("other = dict(_delete_=True, a=1)", r"c\.py:2: other says _delete_=True, but there is", "other"),
        ("model = dict(x=dict(_delete_=True, a=1))", r"c\.py:2: model\.x says _delete_=True", "model.x"),
        ("a = dict(\n  b=dict(_delete_=True, a=1))", r"c\.py:3: a\.b says _delete_, but no base", "a.b"),
    ],
)  # fmt: skip
def test_delete_of_what_no_base_has(tmp_path: Path, text: str, message: str, value: str) -> None:
    # published configurations say it, and MMEngine reads them
    with pytest.warns(ConfigWarning, match=message) as caught:
        cfg = over_base(tmp_path, text)
    assert len(caught) == 1
    assert eval(f"cfg.{value}", {"cfg": cfg}) == {"a": 1}


def test_delete_without_a_base(tmp_path: Path) -> None:
    file = write(tmp_path, {"c.py": "a = dict(\n  b=dict(_delete_=True, c=1))\n"})
    with pytest.warns(ConfigWarning, match=r"c\.py:2: a\.b says _delete_, but no base"):
        assert Config.fromfile(file).to_dict() == {"a": {"b": {"c": 1}}}


def test_neither_side_is_changed(tmp_path: Path) -> None:
    text = "before = _base_.model.depth\nmodel = dict(depth=50)\nafter = _base_.model.depth\n"
    cfg = over_base(tmp_path, text)
    assert (cfg.before, cfg.after, cfg.model.depth) == (18, 18, 50)


def config() -> Config:
    return Config(
        {
            "model": {"depth": 18, "head": {"classes": 10}},
            "pipeline": [{"type": "Load"}, {"type": "Resize", "size": [32, 32]}],
        }
    )


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        ({"model.depth": 50}, "model", {"depth": 50, "head": {"classes": 10}}),
        ({"model": {"depth": 50}}, "model", {"depth": 50, "head": {"classes": 10}}),
        ({"model": {"_delete_": True, "a": 1}}, "model", {"a": 1}),
        ({"new.deep.key": 1}, "new", {"deep": {"key": 1}}),
        ({"pipeline": {0: {"type": "X"}}}, "pipeline.0", {"type": "X"}),
        ({"pipeline": {"0": {"x": 1}}}, "pipeline.0", {"type": "Load", "x": 1}),
        ({"pipeline.1.size.0": 64}, "pipeline.1", {"type": "Resize", "size": [64, 32]}),
        ({"pipeline.-1.type": "Last"}, "pipeline.1", {"type": "Last", "size": [32, 32]}),
        ({"model.a": 1, "model.depth": 2}, "model", {"depth": 2, "head": {"classes": 10}, "a": 1}),
    ],
)
def test_merge_from_dict(options: dict[str, Any], key: str, value: Any) -> None:
    cfg = config()
    cfg.merge_from_dict(options)
    found: Any = cfg
    for part in key.split("."):
        found = found[int(part) if part.isdigit() else part]
    assert found == value


@pytest.mark.parametrize(
    ("options", "lists", "kind", "message"),
    [
        ({"pipeline.7.type": "X"}, True, ConfigKeyError, "index 7 is outside a list of 2"),
        ({"pipeline.one": 1}, True, ConfigTypeError, "'one' is no index"),
        ({"pipeline.0.type": "X"}, False, ConfigTypeError, "cannot merge pipeline"),
        ({"model.depth.x": 1}, True, ConfigTypeError, r"cannot merge model\.depth"),
        ({"filename": "x"}, True, ConfigKeyError, "filename is reserved"),
    ],
)
def test_merge_from_dict_refuses(
    options: dict[str, Any], lists: bool, kind: type[Exception], message: str
) -> None:
    cfg = config()
    with pytest.raises(kind, match=message):
        cfg.merge_from_dict({"model.depth": 1, **options}, allow_list_keys=lists)
    assert cfg == config()


def test_values_merged_in_are_read_by_attribute() -> None:
    cfg = config()
    cfg.merge_from_dict({"model.neck": {"a": {"b": 1}}, "x": [{"y": 2}]})
    assert (cfg.model.neck.a.b, cfg.x[0].y) == (1, 2)
