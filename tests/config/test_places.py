"""The exact line and column of what sets a value, in every form that a config has for it.

In the texts here ``«name»`` marks a place; it is taken out before the text is written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine_config import Config, apply_overrides
from tests.config.files import allowing

Found = list[tuple[str, int, int]]


def read(folder: Path, files: dict[str, str], trusted: bool) -> tuple[Config, dict[str, Found]]:
    """Write files, read the first; return the config and the places that are marked."""
    marks: dict[str, Found] = {}
    for name, text in files.items():
        lines = []
        for number, line in enumerate(text.split("\n"), 1):
            while found := re.search("«(.*?)»", line):
                line = line[: found.start()] + line[found.end() :]
                marks.setdefault(found[1], []).append((name, number, found.start() + 1))
            lines.append(line)
        (folder / name).write_text("\n".join(lines), "utf-8")
    limits = allowing(trusted, "NOT_SET", "A_LONG_NAME_OF_A_VARIABLE")
    return Config.fromfile(folder / next(iter(files)), trusted=trusted, limits=limits), marks


def places(cfg: Config, key: str) -> Found:
    return [(Path(o.file).name, o.line, o.column) for o in cfg.provenance(key)]


def check(folder: Path, files: dict[str, str], styles: Sequence[bool] = (True, False)) -> None:
    """Every mark is the place of the key that it names; a base's come first, hence files last."""
    for trusted in styles:
        cfg, marks = read(folder, files, trusted)
        for key, expected in marks.items():
            assert places(cfg, key) == expected[::-1], key


PYTHON = {
    "assignments": "«a»a = 1\n«b»b: int = 2\n«c»c = «d»d = 3\n(«e»e, «f»f) = 4, 5\n",
    "keywords": "«a»a = dict(«a.b»b=1, «a.c»c=dict(\n    «a.c.d»d=2,\n«a.c.e»e=3))\n",
    "literal keys": "«a»a = {«a.b»'b': 1, «a.c»\"c\": {\n  «a.c.d»'d': 2}, «a.1»1: 3, «a.-2»-2: 4}\n",
    "items": "«a»a = [«a.0»1, «a.1»dict(«a.1.b»b=1), «a.2»[\n  «a.2.0»2]]\n«t»t = («t.0»1, «t.1»{«t.1.k»'k': 1})\n",
    "item of a mixture": "a = [*[«a.0»1, «a.1»2], *(«a.2»3,), «a.3»4]\n",
    "added lists": "a = [«a.0»1] + [«a.1»dict(«a.1.k»k=2)]\n",
    "merged dictionaries": "a = dict(dict(«a.b»b=1, x=0), «a.c»c=2, **dict(«a.d»d=3), x=1)\nb = {**{«b.e»'e': 1}, «b.f»'f': 2}\nc = {«c.g»'g': 1} | {«c.h»'h': 2}\n",
    "characters of several bytes": "a = dict(s='äöü€😀', «a.b»b=1); «c»c = 'ä'; «d»d = 2\n",
    "names": "x = dict(«a.k»k=1)\n«a»a = x\n",
    "conditions": "«a»a = dict(«a.b»b=1) if True else 0\nif a:\n    «c»c = 1\nelse:\n    pass\nfor i in [1]:\n    «d»d = i\n",
    "tabs": "if 1:\n\t«a»a = dict(\n\t\t«a.b»b=1)\n",
    "continued lines": "«a»a = \\\n  dict(«a.b»b=(1\n  ), «a.c»c=2)\n",
    "globals": "«a»globals()['a'] = dict(«a.b»b=1)\n",
    "removed": "a = [1, «a.0»2, 3, «a.1»4]\ndel a[0]\nx = a.pop(1)\nd = dict(b=1)\ndel d['b']\n«d.b»d['b'] = 2\n",
    "in an order that is not known": "«a»«a.0»«a.1»a = sorted([2, 1])\n«b»«b.0»b = [1, 2, 2]\nb.remove(1)\n«c»«c.0»c = [1, 2]\nc.reverse()\n",
    "slices and the last item": "l = [1, dict(«l.1.k»k=1)]\n«l.1.n»l[-1]['n'] = 2\n«m»«m.0»m = l[1:]\n",
    "by another name": "a = dict(«a.b»b=1)\nx = a\nx['c'] = 1\n«a.d»«x.d»x['d'] = 2\nl = [«l.0»1]\ny = l\ny.append(«l.1»2)\n",
    "copies of copies": "a = dict(«a.b»b=dict(«a.b.c»«x.b.c»c=1))\nx = a.copy()\nx['b'] = dict(a['b'])\n",
    "only where it is not there": "a = dict(«a.b»b=1)\na.setdefault('b', 2)\na.setdefault(«a.c»'c', dict(«a.c.d»d=1))\n",
    "appended by a loop": "a = [«a.0»1]\nfor i in range(3):\n    a.append(«a.1»«a.3»i)\n",
    "appended": "a = [«a.0»1]\na.append(«a.1»dict(«a.1.k»k=2))\na.extend([«a.2»3])\na.insert(3, «a.3»4)\n",
    "updated": "a = dict(«a.b»b=1)\na.update(«a.c»c=2)\na.update({«a.d»'d': 3})\n",
    "computed keys": "a = {}\nfor «i»i in range(2):\n    «a.k0»«a.k1»a[f'k{i}'] = i\n",
    "an item of what is computed": "w = [dict(a=i) for i in range(2)]\n«w.0.b»w[0]['b'] = 5\nw[1].update(«w.1.c»c=1)\n",
    "the branch that has run": "if 1 - 1:\n    y = 1\n    x = dict(a=2)\nelif 1:\n    «y»y = 2\n    x = dict(\n        «x.a»a=1)\nelse:\n    y = 3\n«z»z = 1\nif y == 1:\n    z = 2\n",
    "a loop's end": "for i in [1]:\n    break\nelse:\n    a = 1\nfor i in []:\n    a = 2\nelse:\n    «a»a = 3\n",
    "a walrus": "(«a»a := dict(«a.b»b=1))\n",
    "appended to what is computed": "«a.0»«a.2»a = [dict(k=i) for i in range(2)]\na.append(3)\n",
    "a computed item": "«a»a = [dict(k=i) for i in range(2)]\n",
}


# which lines have run is not told where all are traced already, by a coverage tool for one
untraced = pytest.mark.skipif(sys.gettrace() is not None, reason="the tests are being traced")
BRANCHING = {"the branch that has run", "a loop's end"}
CASES = [
    pytest.param(text, id=name, marks=untraced if name in BRANCHING else ())
    for name, text in PYTHON.items()
]


@pytest.mark.parametrize("text", CASES)
def test_python(tmp_path: Path, text: str) -> None:
    check(tmp_path, {"c.py": text})


@untraced
def test_what_only_runs(tmp_path: Path) -> None:
    text = "try:\n    a = 1\n    1 / 0\n    b = 1\nexcept ZeroDivisionError:\n    «b»b = 2\nfinally:\n    «c»c = 3\n"
    text += "def f():\n    if True:\n        return 4\nwhile True:\n    «d»d = f()\n    break\n"
    check(tmp_path, {"c.py": text}, [True])


def test_what_a_debugger_traces_has_places_too(tmp_path: Path) -> None:
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        check(tmp_path, {"c.py": "if True:\n    «a»a = 1\n"}, [True])
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("text", CASES)
def test_lazy(tmp_path: Path, text: str) -> None:
    check(tmp_path, {"c.py": f"from absent_library import Net\n{text}"}, [True])


def test_bases(tmp_path: Path) -> None:
    files = {
        "c.py": "_base_ = ['b.py', 'd.yaml']\n«a»a = dict(«a.b»b=2, «a.n»n=1)\n«s»s = 2\n«l»l = [«l.0»9]\n"
        "gone = dict(_delete_=True, «gone.y»y=3)\ny = dict(z=dict(«y.z.w»w=1))\n",
        "b.py": "_base_ = 'a.py'\n«a»a = dict(«a.b»b=1, «a.k»k=5)\n«l»l = [«l.0»1, 2]\n«s»s = 1\n",
        "a.py": "\n  \n«a»a = dict(\n  «a.b»b=0, «a.deep»deep=dict(«a.deep.x»x=1))\ngone = dict(x=1)\n",
        "d.yaml": "y:\n  z: {«y.z.v»v: 1, «y.z.w»w: 2}\n",
    }
    check(tmp_path, files)


def test_references_of_the_base(tmp_path: Path) -> None:
    files = {
        "c.py": "_base_ = 'b.py'\n«x»x = _base_.a\n«y»y = _base_.a.l[1]\n_base_.a.«a.m»m = 3\n"
        "n = dict(«n.o»o=_base_.a.l)\n",
        "b.py": "a = dict(«x.b»b=1, l=[«x.l.0»«n.o.0»0, dict(«y.k»«n.o.1.k»k=1)])\n",
    }
    cfg, marks = read(tmp_path, files, True)
    for key in ("x.b", "x.l.0", "n.o.0", "n.o.1.k", "y.k"):
        assert places(cfg, key)[0] == marks[key][0], key
    for key in ("x", "y", "n.o"):
        assert places(cfg, key)[-1] == marks[key][0], key
    assert places(cfg, "a.m")[0][:2] == ("c.py", 4)


def test_substitutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_LONG_NAME_OF_A_VARIABLE", "\n".join("some text"))
    files = {
        "c.py": "_base_ = 'b.py'\na = dict(s='{{ $A_LONG_NAME_OF_A_VARIABLE }}', «a.b»b={{ fileBasename }}, «a.c»c=1)\n"
        "«x»x = {{ _base_.v }}; «y»y = '{{ _base_.v }}'; «z»z = r'{{ fileDirname }}'; «w»w = 3\n",
        "b.py": "v = dict(«x.k»«y.k»k=1)\n",
    }
    for trusted in (True, False):
        cfg, marks = read(tmp_path, files, trusted)
        for key, expected in marks.items():
            assert places(cfg, key) == expected, key


DATA = {
    "c.json": '{\n  «a»"a": {«a.b»"b": 1, "s": "äö{{ fileDirname }}", «a.l»"l": [«a.l.0»1, «a.l.1»{«a.l.1.k»"k": {{ $NOT_SET:2 }}, «a.l.1.m»"m": 2}]},\n'
    '\t«t»"t": 1,\n  «n»"n": "{{ fileBasename }}"\n}\n',
    "c.yaml": "«a»a:\n  «a.b»b: 1\n  s: 'äö {{ fileDirname }}'\n  «a.l»l:\n    - «a.l.0»1\n    - «a.l.1»«a.l.1.k»k: {{ $NOT_SET:2 }}\n      «a.l.1.m»m: 3\n"
    "«f»f: {«f.g»g: [«f.g.0»1, «f.g.1»{«f.g.1.h»h: 2}]}\n«q»'q': 1\n«1»1: 2\n? «m»m\n: 3\nx: &x {«x.k»«w.k»k: 1}\nw: {<<: *x, «w.j»j: 2}\n",
    "c.toml": "«a»a = 1\n  «d.e»d.e = 2\n«q»'q' = {«q.r»r = 1, «q.s»s = [«q.s.0»1, «q.s.1»{«q.s.1.u»u = 2}]}\n[t]\n«t.b»b = 1\n"
    '«t.l»l = [\n  «t.l.0»1, # [x]\n  «t.l.1»2]\n«t.s»s = """\nx = 1\n"""\n«t.z»z = "{{ fileDirname }}"\n[t.x.y]\n«t.x.y.k»k = 1\n'
    '[[p]]\n«p.0.k»k = 1\n[[p]]\n«p.1.k»k = 2\n["quoted key"]\n«quoted key.v»v = 1\n',
}


@pytest.mark.parametrize("name", DATA)
def test_data(tmp_path: Path, name: str) -> None:
    check(tmp_path, {name: DATA[name]})


def test_brackets_that_a_hole_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENING", "{k = 1")
    cfg, _ = read(tmp_path, {"c.toml": "a = [ {{ $OPENING }} }, 2]\nb = 1\n"}, True)
    assert cfg.to_dict() == {"a": [{"k": 1}, 2], "b": 1}
    assert places(cfg, "a") == [("c.toml", 1, 1)]


@pytest.mark.parametrize("trusted", [True, False])
def test_overrides(tmp_path: Path, trusted: bool) -> None:
    files = {"c.py": "a = dict(«a.b»b=1, «a.l»l=[«a.l.0»1, dict(«a.l.1.k»k=1)])\n"}
    cfg, marks = read(tmp_path, files, trusted)
    given = ["a.b=2", "a.l.1.k=3", "a.l.0=2", "a.n=4", "a.l+=[5]"]
    apply_overrides(cfg, given)
    for key, option in zip(
        ("a.b", "a.l.1.k", "a.n", "a.l"), (*given[:2], *given[3:]), strict=True
    ):
        chain = cfg.provenance(key)
        assert (chain[-1].file, chain[-1].line) == (f"--cfg-options {option}", 0)
        written = places(cfg, key)[:-1]
        assert written == marks.get(key, []), key


def test_a_copy_is_apart_from_what_it_is_of(tmp_path: Path) -> None:
    text = "import copy\na = [dict(«a.0.k»k=1)]\nb = copy.deepcopy(a)\n«b.0.n»b[0]['n'] = 2\nb[0]['k'] = 2\n"
    check(tmp_path, {"c.py": text}, styles=(True,))
    files = {
        "c.py": "from engine_config import read_base\nwith read_base():\n    from .b import *\n«a.l.k»a.l.k = 2\n",
        "b.py": "a = dict(l=dict(«b.l.k»«a.l.k»k=1))\nb = a\n",
    }
    check(tmp_path, files, styles=(True,))


def test_a_slice_that_is_set(tmp_path: Path) -> None:
    cfg = Config.fromstring("a = [1, 2, 3]\na[0:1] = [\n    5, 6]\n", ".py")
    assert [[line for _, line, _ in places(cfg, f"a.{i}")] for i in range(4)] == [[1, 2]] * 4


def test_what_a_function_makes_is_not_what_it_is_given(tmp_path: Path) -> None:
    text = "def f(x):\n    return [7, 8]\n«a»«a.0»«a.1»a = f([1,\n  2])\nfrom collections import OrderedDict\nb = OrderedDict(«b.c»c=1)\n"
    check(tmp_path, {"c.py": text}, styles=(True,))


JSON = {
    "spaces": '{\n\t«a»"a"\n:\t{ «a.b»"b":1,«a.c»"c": [«a.c.0»1,«a.c.1»{«a.c.1.d»"d":-2}]}}',
    "escapes": '{«a"»"a\\"": "\\/}", «😀»"\\ud83d\\ude00": {«😀.x»"x": "{,"}, "n": [],\n«b»"b": {}}',
    "characters": '{"x": "\x7f\x85\u2028é",\n«é»"é": 1, «b»"b": [«b.0»NaN, «b.1»null]}',
    "a long key": f'{{"{"k" * 1100}": 1,\n«b»"b": 2}}',
    "holes": '{"x": {{ $NOT_SET:[1, 2] }}, «b»"b": "{{ fileBasename }}", «c»"c": 1}',
}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_json(tmp_path: Path, text: str) -> None:
    check(tmp_path, {"c.json": text})
