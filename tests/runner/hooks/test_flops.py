"""The peaks of devices, and the operations of a step."""

from __future__ import annotations

import pytest
import torch

from engine_runner.hooks.flops import counting_flops, dense_peak_flops, flops_utilization


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H200", 989.5),
        ("NVIDIA H100 80GB HBM3", 989.5),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("Tesla V100-SXM2-16GB", 125.0),
        ("Tesla V100-PCIE-16GB", 112.0),
        ("Tesla V100S-PCIE-32GB", 130.0),
        ("NVIDIA A10G", 70.0),
        ("NVIDIA A10", 125.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L40", 181.0),
        ("Tesla T4", 65.0),
    ],
)
def test_devices_by_the_names_that_torch_gives(name: str, tera: float) -> None:
    assert dense_peak_flops(name) == tera * 1e12


@pytest.mark.parametrize(
    "name",
    ["cpu", "", "NVIDIA A1000", "NVIDIA T400", "NVIDIA RTX A4000", "NVIDIA GB200", "NVIDIA L400"],
)
def test_a_device_that_only_sounds_like_one_is_unknown(name: str) -> None:
    assert dense_peak_flops(name) is None


def test_utilisation() -> None:
    assert flops_utilization(50.0, 2.0, 100.0) == 0.25
    assert flops_utilization(50.0, 2.0, None) is None
    assert flops_utilization(0.0, 2.0, 100.0) is None


def test_forward_and_backward_are_counted() -> None:
    layer = torch.nn.Linear(8, 4)
    with counting_flops() as counted:
        layer(torch.randn(3, 8, requires_grad=True)).sum().backward()
    # 2 * 3 * 8 * 4 each: the output, the gradient of the weight, that of the input
    assert counted.flops == 3 * (2 * 3 * 8 * 4)
