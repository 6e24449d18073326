"""Calls of small helpers, and what MMEngine gave for each: recorded.json.

Run ``PYTHON -m tests.runner.utils.cases`` with an interpreter that has MMEngine 0.10.7 and a setuptools
below 81, to record them once more.
"""

from __future__ import annotations

import collections
import functools
import io
import json
import operator
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FILE = Path(__file__).with_name("recorded.json")

VERSIONS = (
    "1.0.0", "1.13.0+cu117", "1.0rc0", "1.0.0rc1", "1.0a1", "2.0b3", "1.0.dev5", "1.0.post2", "1",
    "1.2.3.4.5", "1!2.0", "", "abc", "1.0rc1.post2", "v1.0", "1.0rc0.dev1", "1.0.0rc1+git123",
    "2.1.0a0+32f93b1", "1.0-1", "1.x", "9" * 40,
)  # fmt: skip
PATHS = (
    "/a", "a", "s3://b/c", "http://x", "https://x", "~/a", "", "petrel:s3://x", "oss://b/a", "gs://b",
)  # fmt: skip
LAYERS = (
    "BatchNorm1d(2)", "BatchNorm2d(2)", "SyncBatchNorm(2)", "InstanceNorm2d(2)", "GroupNorm(1, 2)",
    "LayerNorm(2)", "RMSNorm(2)", "LocalResponseNorm(2)", "Linear(2, 2)", "LazyBatchNorm2d()",
)  # fmt: skip
CALLS = (
    *(f"digit_version({version!r})" for version in VERSIONS),
    "digit_version('1.2.3.4.5', length=3)", "digit_version('1.2', length=0)",
    "digit_version('1.2', length=10)", "digit_version(12)", "digit_version(None)",
    "digit_version(b'1.0')",
    "is_seq_of([1, 2], int)", "is_seq_of([], int)", "is_seq_of((1, 'a'), int)",
    "is_seq_of('abc', str)", "is_seq_of([1, 2.0], (int, float))", "is_seq_of([1], int, tuple)",
    "is_seq_of({1, 2}, int)", "is_seq_of(5, int)", "is_seq_of(range(10**6), int)",
    "is_seq_of([True], int)", "is_seq_of([1], 'int')", "is_seq_of([1], int, 'x')",
    "is_list_of([1], int)", "is_list_of((1,), int)", "is_tuple_of((1,), int)",
    "is_list_of(None, int)", "is_str('a')", "is_str(b'a')", "is_str(1)",
    "slice_list([1, 2, 3], [1, 2])", "slice_list([1, 2, 3, 4], 2)", "slice_list([1, 2, 3], 2)",
    "slice_list([1, 2, 3], [1, 1])", "slice_list([1, 2], 'a')", "slice_list([], [])",
    "slice_list([], 1)", "slice_list([1, 2], [1, 1.0])", "slice_list((1, 2, 3), [1, 2])",
    "slice_list([1, 2], (1, 1))", "slice_list([1, 2], 0)", "slice_list([1, 2], -1)",
    "len(slice_list(list(range(10**5)), 10))",
    "concat_list([[1, 2], [3]])", "concat_list([])", "concat_list([[1], (2,)])",
    "concat_list([1])", "concat_list('ab')", "len(concat_list([[0]] * 10**5))",
    "list(iter_cast(['1', '2'], int))", "iter_cast(['1'], int, list)", "iter_cast(1, int)",
    "iter_cast(['1'], 'int')", "iter_cast(['a'], int, list)", "list_cast(('1',), int)",
    "tuple_cast(['1'], float)", "list_cast([], int)", "list_cast('123', int)",
    "to_1tuple(1)", "to_2tuple(1)", "to_2tuple((1, 2, 3))", "to_2tuple('ab')", "to_4tuple(None)",
    "to_ntuple(5)(0)", "to_3tuple([1])", "to_ntuple(0)(1)", "to_ntuple('a')(1)",
    "has_method('a', 'upper')", "has_method(1, 'real')", "has_method(1, 2)",
    "is_method_overridden('f', Base, Derived)", "is_method_overridden('g', Base, Derived)",
    "is_method_overridden('g', Base, Derived())", "is_method_overridden('h', Base, Derived)",
    "is_method_overridden('f', Base(), Derived)",
    *(
        f"getattr(get_object_from_string({name!r}), '__name__', None)"
        for name in ("os.path", "os.path.join", "collections.OrderedDict", "nope.x", "os.nope", "a")
    ),
    "get_object_from_string('os.path.join.__name__')", "get_object_from_string('')",
    "get_object_from_string(5)",
    "[one.__name__ for one in import_modules_from_strings(['os', 'json'])]",
    "import_modules_from_strings('os').__name__", "import_modules_from_strings([])",
    "import_modules_from_strings(None)", "import_modules_from_strings('')",
    "import_modules_from_strings(['_nope_'])", "import_modules_from_strings(['os', 1])",
    "import_modules_from_strings(1)", "import_modules_from_strings('_nope_', True)",
    "apply_to({'a': 1, 'b': [2, (3, 'x')]}, whole, double)", "apply_to(Pair(1, 2), whole, double)",
    "apply_to(OrderedDict(a=1), whole, double)", "apply_to({1, 2}, whole, double)",
    "apply_to('ab', whole, double)", "apply_to([], whole, double)", "apply_to([[]], whole, double)",
    "apply_to(range(3), whole, double)", "apply_to(b'ab', whole, double)",
    "apply_to(None, whole, double)", "apply_to(7, whole, double)",
    "apply_to(nested(200), whole, double)",
    "is_filepath('a')", "is_filepath(Path('a'))", "is_filepath(b'a')", "is_filepath(1)",
    *(f"is_abs({path!r})" for path in PATHS), "is_abs(None)", "is_abs(Path('/a'))",
    "is_installed('torch')", "is_installed('nope')", "is_installed('os')",
    "is_installed('torch.nn')", "is_installed('PyYAML')", "is_installed('yaml')",
    "is_installed('')", "is_installed(None)", "last(get_installed_path('torch'))",
    "last(get_installed_path('yaml'))", "get_installed_path('nope')", "get_installed_path('')",
    "last(get_installed_path('torch.nn'))", "last(get_installed_path('PyYAML'))",
    "get_git_hash(digits='x')", "len(get_git_hash(fallback='none'))",
    "call_command(['true'])", "call_command(['false'])", "call_command(['no such program'])",
    "call_command([])",
    "renamed(old=1)", "renamed(1, older=3)", "renamed(old=1, new=2)", "renamed(old=1, older=2)",
    "needs('no_such_package')", "needs(['json', 'no_such_package'])", "needs('json')",
    "needs([])", "runs('sh')", "runs(['sh', 'no such program'])", "outdated.__doc__",
    "plainly_outdated.__doc__", "TimerError('m').message", "Timer(start=False).since_start()",
    "Timer(start=False).since_last_check()", "Timer().is_running", "Timer(False).is_running",
    "check_time('a name')", "check_time([])",
    "scan()", "scan(recursive=True)", "scan('.txt')", "scan('txt')",
    "scan(('.txt', '.png'), recursive=True)", "scan('.TXT', case_sensitive=False)",
    "scan(('.TXT', '.PNG'), recursive=True, case_sensitive=False)", "scan(())", "scan('')",
    "scan(5)", "scan(['.txt'])", "list(scandir(5))", "list(scandir('no such folder'))",
    "list(scandir(b'.'))", "check_file_exist('no such file')", "check_file_exist('/')",
    "check_file_exist(None)", "check_file_exist(there)", "fopen(5.5)", "fopen(1)",
    "mkdir_or_exist('')", "mkdir_or_exist(None)", "mkdir_or_exist(there)",
    "bar(3, 1, 1, 1)", "bar(3, 3)", "bar(1, 1)", "bar(10, -1)", "bar(10, 0)", "bar(10, 'a')",
    "bar(2, 1, 1, bar_width=3)", "bar(0)",
    "track_progress(double, [1, 2, 3], file=quiet)", "track_progress(double, [], file=quiet)",
    "track_progress(double, (iter([1, 2]), 2), file=quiet)",
    "track_progress(double, ((1, 2), 2), file=quiet)",
    "track_progress(double, iter([1]), file=quiet)", "track_progress(double, 5, file=quiet)",
    "track_progress(double, (1, 2, 3), file=quiet)",
    "track_progress(int, ['10'], file=quiet, base=2)",
    "list(track_iter_progress([1, 2], file=quiet))", "list(track_iter_progress(5, file=quiet))",
    "list(track_iter_progress((iter('ab'), 2), file=quiet))",
    "track_parallel_progress(double, [1, 2, 3], 2, file=quiet)",
    "track_parallel_progress(double, [], 2, file=quiet)",
    "track_parallel_progress(double, (iter([1, 2]), 2), 2, file=quiet)",
    "track_parallel_progress(double, [1, 2, 3], 1, chunksize=2, skip_first=True, file=quiet)",
    "sorted(track_parallel_progress(double, [1, 2, 3], 2, keep_order=False, file=quiet))",
    "track_parallel_progress(double, 5, 2, file=quiet)",
    "track_parallel_progress(double, [1], 0, file=quiet)",
    "track_parallel_progress(int, ['a'], 2, file=quiet)",
    "track_parallel_progress(double, [1], 2, initializer=double, initargs=7, file=quiet)",
    "track_progress_rich(double, [1, 2, 3])", "track_progress_rich(double, [1, 2, 3], nproc=2)",
    "track_progress_rich(operator.add, [(1, 2), [3, 4]])", "track_progress_rich(double, [])",
    "track_progress_rich(double, iter([1, 2]), task_num=2)",
    "track_progress_rich(double, iter([1, 2]))", "track_progress_rich(double, 5)",
    "track_progress_rich(double, [1, 2], task_num=1)", "track_progress_rich(double)",
    "track_progress_rich(double, [1], nproc=0)", "track_progress_rich(dict, task_num=3)",
    "track_progress_rich(int, ['a'])", "track_progress_rich(int, ['a'], nproc=2)",
    "track_progress_rich(double, [1, 2, 3, 4, 5], nproc=2, chunksize=2)",
    "track_progress_rich(double, [1], color='no such colour')",
)  # fmt: skip
# of mmengine.utils.dl_utils and mmengine.testing
TORCH_CALLS = (
    *(f"is_norm(nn.{layer})" for layer in LAYERS), "is_norm(5)",
    "is_norm(nn.LayerNorm(2), nn.LayerNorm)", "is_norm(nn.LayerNorm(2), (nn.GroupNorm,))",
    "is_norm(nn.LayerNorm(2), (nn.LayerNorm,))", "is_norm(nn.LayerNorm(2), 5)",
    "is_norm(nn.LayerNorm(2), (5,))", "is_norm(nn.LayerNorm(2), [nn.LayerNorm])",
    "is_norm(nn.LayerNorm(2), ())",
    *(f"has_batch_norm(nn.Sequential(nn.{layer}))" for layer in LAYERS), "has_batch_norm(5)",
    "torch_meshgrid(torch.arange(2), torch.arange(3))", "torch_meshgrid()",
    "torch_meshgrid(torch.arange(2))", "torch_meshgrid([torch.arange(2), torch.arange(1)])",
    "torch_meshgrid(torch.tensor(1))", "torch_meshgrid(5)", "is_jit_tracing()",
    "images(pixels)", "images(pixels, to_bgr=False)", "images(pixels, (1, 2, 3), (2, 2, 2))",
    "images(pixels, mean=(1, 2, 3))", "images(pixels, std=(2, 2, 2))", "images(pixels[:, :1])",
    "images(pixels[:, :1], to_bgr=False)", "images(pixels[:, :1], (5,), (2,), False)",
    "images(pixels[:, :2])", "images(pixels[0])", "images(pixels.numpy())", "images(pixels[:0])",
    "images(pixels * 1e6 - 5)", "images(pixels, (1,), (2,))", "images(pixels.byte())",
    "images(torch.rand(1, 3, 0, 2))", "images(torch.full((1, 3, 1, 1), float('nan')))",
    "assert_attrs_equal(thing, {'a': 1})", "assert_attrs_equal(thing, {'a': 2})",
    "assert_attrs_equal(thing, {'z': 2})", "assert_attrs_equal(thing, {})",
    "assert_attrs_equal(thing, {'b': [1, 2]})",
    "assert_attrs_equal(thing, {'c': np.array([1, 2])})",
    "assert_attrs_equal(thing, {'c': np.array([1, 3])})",
    "assert_attrs_equal(thing, {'d': torch.tensor([1.0, 2])})",
    "assert_attrs_equal(thing, {'d': torch.tensor([1.0, 3])})",
    "assert_dict_contains_subset({'a': 1, 'b': 2}, {'a': 1})",
    "assert_dict_contains_subset({'a': 1}, {'a': 2})",
    "assert_dict_contains_subset({'a': 1}, {'c': 2})",
    "assert_dict_contains_subset({'a': np.ones(2)}, {'a': np.ones(2)})",
    "assert_dict_contains_subset({}, {})", "assert_dict_contains_subset({'a': None}, {'b': None})",
    "assert_dict_has_keys({'a': 1, 'b': 2}, ['a'])", "assert_dict_has_keys({'a': 1}, ['c'])",
    "assert_dict_has_keys({}, [])", "assert_keys_equal(['a', 'b'], ['b', 'a'])",
    "assert_keys_equal(['a'], ['a', 'b'])", "assert_keys_equal(['a', 'a'], ['a'])",
    "assert_keys_equal([], [])", *(f"assert_is_norm_layer(nn.{layer})" for layer in LAYERS),
    "assert_params_all_zeros(nn.Linear(2, 2))", "assert_params_all_zeros(zeros)",
    "assert_params_all_zeros(nn.ReLU())", "assert_params_all_zeros(nn.Sequential(zeros))",
    "assert_allclose(ones, ones)", "assert_allclose(ones, ones + 1e-3)",
    "assert_allclose(ones, ones + 5e-5)", "assert_allclose(ones, ones + 2e-4)",
    "assert_allclose(np.ones(2), np.ones(2))", "assert_allclose(1.0, 1.0)",
    "assert_allclose([1.0, 2], [1, 2.0])", "assert_allclose(ones, [1, 1])",
    "assert_allclose(ones, np.ones(2))", "assert_allclose(ones * nan, ones * nan)",
    "assert_allclose(ones * nan, ones * nan, equal_nan=False)",
    "assert_allclose(ones, torch.ones(3))", "assert_allclose(ones, ones * 2, msg='no')",
    "assert_allclose(ones, ones + 0.1, rtol=0.2, atol=0)",
    "assert_allclose(ones, ones + 0.1, rtol=0.2)", "assert_allclose(ones, ones.double())",
    "assert_allclose('a', 'a')", "assert_allclose(torch.ones(0), torch.ones(0))",
    "assert_allclose(ones.int(), ones)", "assert_allclose(None, None)",
    "assert_allclose(torch.ones(2, 1), ones)", "assert_allclose(torch.ones(10**6), torch.ones(10**6))",
    "check_python_script('')", "check_python_script(['x'])",
    "check_python_script('/no/such/script.py')",
)  # fmt: skip


class Base:
    def f(self) -> None: ...

    def g(self) -> None: ...


class Derived(Base):
    def f(self) -> None: ...


Pair = collections.namedtuple("Pair", "a b")


def f_without_text() -> None: ...


def nested(depth: int) -> Any:
    made: Any = 1
    for level in range(depth):
        made = {"k": made} if level % 2 else [made]
    return made


def files() -> Path:
    """Return a new folder with some files."""
    folder = Path(tempfile.mkdtemp(prefix="cases-"))
    for name in ("a.txt", "b.TXT", "c.png", ".h.txt", "sub/d.txt", "sub/deep/e.png", ".i/f.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def of_utils(module: Any) -> dict[str, Any]:
    """Return what the calls of helpers name, of either engine."""

    warning: Callable[[Any], Callable[[Any], Any]] = module.deprecated_api_warning
    deprecated: Callable[..., Callable[[Any], Any]] = module.deprecated_function

    @warning({"old": "new", "older": "newer"})
    def renamed(new: Any = None, newer: Any = None) -> Any:
        return new, newer

    @deprecated("0.1", "0.9", "use x instead")
    def outdated() -> None:
        """Do it.

        At length.
        """

    def bar(count: int, *updates: Any, **settings: Any) -> str:
        written = io.StringIO()
        made = module.ProgressBar(count, file=written, **settings)
        for number in updates:
            made.update(number)
        # how long a bar is depends on how many digits the pace has
        return re.sub(r"\[>* *\]|[\d.]+(?= task)", "_", written.getvalue())

    folder = files()
    return {
        **vars(module),
        "Base": Base,
        "Derived": Derived,
        "Pair": Pair,
        "OrderedDict": collections.OrderedDict,
        "Path": Path,
        "nested": nested,
        "operator": operator,
        "whole": lambda x: isinstance(x, int),
        "double": functools.partial(operator.mul, 2),
        "last": lambda path: Path(path).name,
        "renamed": renamed,
        "outdated": outdated,
        "plainly_outdated": deprecated("0.1", "0.9", "use x instead")(f_without_text),
        "needs": lambda what: module.requires_package(what)(lambda: "done")(),
        "runs": lambda what: module.requires_executable(what)(lambda: "done")(),
        "scan": lambda *args, **kwargs: sorted(module.scandir(folder, *args, **kwargs)),
        "there": folder / "a.txt",
        "bar": bar,
        "quiet": io.StringIO(),
    }


def of_torch(*modules: Any) -> dict[str, Any]:
    """Return what the calls with torch name, of either engine."""
    names = {name: value for module in modules for name, value in vars(module).items()}
    zeros = nn.Linear(2, 2)
    for parameter in zeros.parameters():
        nn.init.zeros_(parameter)

    class Thing:
        a, b, c, d = 1, [1, 2], np.array([1, 2]), torch.tensor([1.0, 2])

    return {
        **names,
        "nn": nn,
        "np": np,
        "torch": torch,
        "nan": float("nan"),
        "ones": torch.ones(2),
        "pixels": torch.arange(24.0).view(2, 3, 2, 2),
        "images": lambda *args, **kwargs: [
            (str(one.dtype), one.shape, one.tolist())
            for one in names["tensor2imgs"](*args, **kwargs)
        ],
        "thing": Thing(),
        "zeros": zeros,
    }


def result(call: str, names: dict[str, Any]) -> str:
    """Return what a call gives, as text, or the kind of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(eval(call, names))
        except Exception as error:
            return f"raises {type(error).__name__}"


if __name__ == "__main__":
    import mmengine.testing
    import mmengine.utils
    import mmengine.utils.dl_utils

    plain, torchs = of_utils(mmengine.utils), of_torch(mmengine.utils.dl_utils, mmengine.testing)
    results = {call: result(call, plain) for call in CALLS}
    results |= {call: result(call, torchs) for call in TORCH_CALLS}
    FILE.write_text(json.dumps(results, indent=0) + "\n", encoding="utf-8")
