"""What does not do yet as MMEngine did, and what does otherwise on purpose."""

from __future__ import annotations

from typing import Any

from .comparison import MISSING

__all__ = ["DIFFERS", "NOT_YET"]

# A recipe, or all of a kind, and what is missing. Whoever builds it takes the line out.
NOT_YET: dict[str, str] = {}

_VALUE = {"raises": ["ValueError", "Exception"]}
_KEPT = "which checkpoints are kept is noted without a limit, too, should a resumed run set one"
_MADE_UP = (
    "a checkpoint before a validation is not written anew after it: a resumed run makes it up"
)
_AT_ITER = "where training counts no epochs, the step of a metric is the iteration"
_CONFIG = "the config is one of the logs, in vis_data, and no file of the work directory"
_LOGS = ["<time>.log", "vis_data/<time>.json", "vis_data/config.py", "vis_data/scalars.json"]
_OWN = "after the test the run has its own model again"
_SORTED = "intervals hold from where they begin, in whatever order they are given"
_TYPE = {"raises": ["TypeError", "Exception"]}
_NEVER_BETTER = "what is no number is never better, and the wait goes on"
_OWN_HASH = "the hash is that of the file itself, which whoever gets it can check"
_WHOLE = ["message_hub", "meta", "optimizer", "state_dict"]
_GO_ON = "a run can go on from its best"
_FINITE = "a number that is not finite is never the best"

# By recipe and by the path of a value: what this engine does instead, and why.
DIFFERS: dict[str, dict[str, tuple[Any, str]]] = {
    "checkpoint/best-holds": {
        "": (_WHOLE, _GO_ON)
    },
    "checkpoint/best-odd": {
        "files[0]": ("best_acc_epoch_4.pth", _FINITE),
        "held.best_acc_epoch_3.pth": (MISSING, _FINITE),
        "held.best_acc_epoch_4.pth": (
            {"keys": None, "epoch": 4, "iter": 12, "bias": [0.01599434]}, _FINITE,
        ),
        "facts.best_score": (0.3, _FINITE),
        "facts.best_ckpt": ("run/best_acc_epoch_4.pth", _FINITE),
    },
    "checkpoint/noted": {
        "in.epoch_1.pth.keep_ckpt_ids": ([1], _KEPT),
        "in.epoch_2.pth.keep_ckpt_ids": ([1, 2], _KEPT),
        "in.epoch_3.pth.keep_ckpt_ids": ([1, 2, 3], _KEPT),
        "after.keep_ckpt_ids": ([1, 2, 3], _KEPT),
    },
    "checkpoint/noted-best": {
        "in.epoch_1.pth.keep_ckpt_ids": ([1], _KEPT),
        "in.epoch_2.pth.keep_ckpt_ids": ([1, 2], _KEPT),
        "in.best_acc_epoch_2.pth.keep_ckpt_ids": ([1, 2], _KEPT),
        "in.epoch_3.pth.keep_ckpt_ids": ([1, 2, 3], _KEPT),
        "after.keep_ckpt_ids": ([1, 2, 3], _KEPT),
        "in.epoch_1.pth.best_score": (MISSING, _MADE_UP),
        "in.epoch_1.pth.best_ckpt": (MISSING, _MADE_UP),
        "in.epoch_2.pth.best_score": (0.5, _MADE_UP),
        "in.epoch_2.pth.best_ckpt": ("run/best_acc_epoch_1.pth", _MADE_UP),
    },
    "checkpoint/outside": {"facts.keep_ckpt_ids": ([2, 3], _KEPT)},
    **{
        f"checkpoint/published{what}": {"[0].named by its content": (True, _OWN_HASH)}
        for what in ("", "-two-keys", "-unknown-key")
    },
    "checkpoint/published-best": {
        "[0].named by its content": (True, _OWN_HASH),
        "[1].keys": (_WHOLE, _GO_ON),
        "[3].named by its content": (True, _OWN_HASH),
    },
    "checkpoint/published-two-best": {
        "[0].named by its content": (True, _OWN_HASH),
        "[1].keys": (_WHOLE, _GO_ON),
        "[2].named by its content": (True, _OWN_HASH),
        "[3].keys": (_WHOLE, _GO_ON),
    },
    "checkpoint/rule-unknown": {"": (_VALUE, "a parameter's value is wrong: no key was looked up")},
    "checkpoint/rules-too-few": {"": (_VALUE, "a rule too few is told, not dropped in silence")},
    "early_stopping/not-finite-unchecked": {
        "epoch": (6, _NEVER_BETTER), "iter": (18, _NEVER_BETTER), "stopped": (True, _NEVER_BETTER),
    },
    "flexible/iterations": {
        f"scalars[{index}].step": (step, _AT_ITER) for index, step in ((1, 6), (3, 11))
    },
    "hook/priorities": {
        "50": (_VALUE, "a name that is unknown is a value that is wrong"),
        "NOWHERE": (_VALUE, "a name that is unknown is a value that is wrong"),
        "True": (_TYPE, "a bool is no priority"),
    },
    "log_processor/custom-bad-window": {"": (_TYPE, "what cannot be is told at the start")},
    **{
        f"logger/elsewhere{what}": {
            "run": (kept, _CONFIG), "out": ([f"run/{name}" for name in copied], _CONFIG),
        }
        for what, kept, copied in (
            ("", [f"<time>/{name}" for name in _LOGS], _LOGS),
            ("-moved", [], _LOGS),
            ("-backend", [f"<time>/{name}" for name in _LOGS], _LOGS),
        )
    },
    "logger/elsewhere-logs": {"run": ([f"<time>/{name}" for name in _LOGS], _CONFIG)},
    "logger/elsewhere-scalars": {"run": (["<time>/<time>.log", "<time>/vis_data/config.py"], _CONFIG)},
    "logger/iterations": {
        f"scalars[{index}].step": (step, _AT_ITER) for index, step in ((1, 3), (4, 6), (5, 7))
    },
    "logger/iterations-default": {
        f"scalars[{index}].step": (step, _AT_ITER) for index, step in ((1, 6), (3, 11))
    },
    "logger/iterations-last-too": {
        f"scalars[{index}].step": (step, _AT_ITER) for index, step in ((2, 6), (4, 11))
    },
    "logger/iterations-unsaid": {
        "": (["Iter(train) [3/7]", "Iter(train) [6/7]"], "lines count as training does, where nobody says how")
    },
    "logger/iterations-short": {
        "": (
            ["Iter(train) [3/7]", "Iter(train) [7/7]"],
            "a run that is shorter than the interval has a line at its end",
        )
    },
    "optimization/scaled-without-base": {
        "raised": (
            {"raises": ["KeyError", "LookupError", "Exception"]}, "it names the key that is missing",
        )
    },
    "loops/dynamic-unsorted": {
        "at": ([[4, 12, 2], [6, 18, 1], [7, 21, 1], [8, 24, 1], [9, 27, 1]], _SORTED),
        "loop[5]": (1, _SORTED),
    },
    "loops/order-batches-per-epoch-shuffled": {
        "": (
            [[1, 5], [2, 0], [0, 3], [1, 2], [4, 0], [3, 2]],
            "num_batch_per_epoch ends a pass early; MMEngine leaves the other samples out for good",
        )
    },
    "loops/order-infinite": {
        "": (
            [[1, 5], [2, 0], [3, 4], [0, 3], [1, 2], [4, 5], [4, 0], [3, 2]],
            "each pass of InfiniteSampler has an order of its seed and number, to be gone on in",
        )
    },
    "loops/resuming-before-validation": {
        "": (
            ["before_val 1 3", "before_val 2 6"],
            "a resumed run makes up the validation that its checkpoint was saved before",
        )
    },
    "sampler_seed/sampler-of-batches-iterations": {
        "": ([0, 0, "begun", 1, "begun", 2, "begun"], "it is told again as the pass begins")
    },
    **{
        f"tta/{what}": {"model": ("Net", _OWN), "module": ("NoneType", _OWN)}
        for what in ("tested", "trained")
    },
    "loops/type-and-by-epoch": {"": (_TYPE, "an argument too many is told as of any component")},
    "param_scheduler/several-one-alone": {
        "": (None, "an optimizer without a schedule keeps its learning rate")
    },
    "profiler/no-activity": {"": (_VALUE, "nothing would be profiled")},
    "profiler/tensorboard": {
        "": (
            {
                "ready": [], "raised": None, "traces": ["<name>.pt.trace.json"],
                "are traces": [True],
            },
            "TensorBoard's plug-in is needed where the traces are looked at",
        )
    },
    **{
        f"profiler/twice{what}": {
            "ready": ([[6, True]], "several epochs can be profiled"),
            "raised": (None, "several epochs can be profiled"),
        }
        for what in ("", "-of-three")
    },
    "runtime_info/experiment": {"is its name": (True, "a run is called what it was told")},
    "runtime_info/facts": {
        "facts.mmengine_version": (MISSING, "it is none of MMEngine's"),
        "resumed.mmengine_version": (MISSING, "it is none of MMEngine's"),
        "resumed.eta": (False, "what a run had left says nothing of the one that goes on"),
    },
    "sampler_seed/sampler-iterations": {
        "": ([0, 0, "begun", 1, "begun", 2, "begun"], "each pass tells its number, the first again")
    },
    "visualization/called": {
        "": (
            [["data_sample", "draw_gt", "draw_pred"]] * 2,
            "as MMEngine's own visualizers take it: of truth and prediction they take one sample",
        )
    },
}  # fmt: skip
