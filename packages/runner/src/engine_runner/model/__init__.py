"""Models: what the loops ask of one, and how its weights are set at first."""

from engine_runner.model.base_model import BaseModel
from engine_runner.model.base_module import BaseModule, ModuleDict, ModuleList, Sequential
from engine_runner.model.batching import merge_dict, stack_batch
from engine_runner.model.conv_bn_eval import turn_on_efficient_conv_bn_eval
from engine_runner.model.data_preprocessor import BaseDataPreprocessor
from engine_runner.model.image_preprocessor import ImgDataPreprocessor
from engine_runner.model.init_record import ParameterInit, init_summary, update_init_info
from engine_runner.model.initializers import (
    BaseInit,
    Caffe2XavierInit,
    ConstantInit,
    KaimingInit,
    NormalInit,
    PretrainedInit,
    TruncNormalInit,
    UniformInit,
    XavierInit,
    initialize,
)
from engine_runner.model.step_model import as_step_model, plain_module
from engine_runner.model.test_time_augmentation import BaseTTAModel
from engine_runner.model.weight_init import (
    bias_init_with_prob,
    caffe2_xavier_init,
    constant_init,
    kaiming_init,
    normal_init,
    trunc_normal_init,
    uniform_init,
    xavier_init,
)

__all__ = [
    "BaseDataPreprocessor",
    "BaseInit",
    "BaseModel",
    "BaseModule",
    "BaseTTAModel",
    "Caffe2XavierInit",
    "ConstantInit",
    "ImgDataPreprocessor",
    "KaimingInit",
    "ModuleDict",
    "ModuleList",
    "NormalInit",
    "ParameterInit",
    "PretrainedInit",
    "Sequential",
    "TruncNormalInit",
    "UniformInit",
    "XavierInit",
    "as_step_model",
    "bias_init_with_prob",
    "caffe2_xavier_init",
    "constant_init",
    "init_summary",
    "initialize",
    "kaiming_init",
    "merge_dict",
    "normal_init",
    "plain_module",
    "stack_batch",
    "trunc_normal_init",
    "turn_on_efficient_conv_bn_eval",
    "uniform_init",
    "update_init_info",
    "xavier_init",
]
