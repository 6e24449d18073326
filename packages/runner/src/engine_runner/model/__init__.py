"""Models: what the loops ask of one."""

from engine_runner.model.base_model import BaseModel
from engine_runner.model.data_preprocessor import BaseDataPreprocessor
from engine_runner.model.plain import as_step_model

__all__ = ["BaseDataPreprocessor", "BaseModel", "as_step_model"]
