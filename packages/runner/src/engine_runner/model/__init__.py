"""Models: what the loops ask of one."""

from engine_runner.model.base_model import BaseModel
from engine_runner.model.data_preprocessor import BaseDataPreprocessor
from engine_runner.model.step_model import as_step_model, plain_module
from engine_runner.model.test_time_augmentation import BaseTTAModel

__all__ = ["BaseDataPreprocessor", "BaseModel", "BaseTTAModel", "as_step_model", "plain_module"]
