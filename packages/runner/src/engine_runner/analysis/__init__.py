"""What a model costs: parameters, floating-point operations, activations."""

from .analyzer import ActivationAnalyzer, FlopAnalyzer, activation_count, flop_count
from .complexity import get_model_complexity_info
from .parameters import parameter_count, parameter_count_table

__all__ = [
    "ActivationAnalyzer",
    "FlopAnalyzer",
    "activation_count",
    "flop_count",
    "get_model_complexity_info",
    "parameter_count",
    "parameter_count_table",
]
