"""Patches of pictures are multiplied: same weights, same results, no convolution left in a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from smart_train.models.patches import WholePatchConv3d, multiply_patches
from smart_train.types import ModelInput

KERNEL = (2, 4, 3)


class Convolutions(TorchFunctionMode):
    """Counts the convolutions that are called in it."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.conv3d
        return func(*args, **(kwargs or {}))


def tower(**options: object) -> nn.Sequential:
    settings = {"kernel_size": KERNEL, "stride": KERNEL, **options}
    return nn.Sequential(nn.Conv3d(3, 5, **settings, dtype=torch.float64))


@pytest.mark.parametrize("bias", [True, False])
def test_products_and_their_gradients_are_the_convolutions(bias: bool) -> None:
    convolved = tower(bias=bias)
    multiplied = tower(bias=bias)
    multiplied.load_state_dict(convolved.state_dict())
    multiply_patches(multiplied)
    ours, theirs = (torch.randn(7, 3, *KERNEL, dtype=torch.float64, requires_grad=True) for _ in range(2))
    with torch.no_grad():
        theirs.copy_(ours)
    weights = torch.randn(7, 5, 1, 1, 1, dtype=torch.float64)
    with Convolutions() as called:
        found = multiplied(ours)
        (found * weights).sum().backward()
    assert called.count == 0
    expected = convolved(theirs)
    (expected * weights).sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-12)
    for name, parameter in convolved.named_parameters():
        torch.testing.assert_close(multiplied.get_parameter(name).grad, parameter.grad, rtol=0, atol=1e-12)


def test_an_input_larger_than_the_kernel_is_convolved() -> None:
    convolved = tower()
    pixels = torch.randn(2, 3, 4, 8, 6, dtype=torch.float64)
    expected = convolved(pixels)
    multiply_patches(convolved)
    with Convolutions() as called:
        assert torch.equal(convolved(pixels), expected)
    assert called.count == 1 and isinstance(convolved[0], WholePatchConv3d)


@pytest.mark.parametrize("options", [{"stride": 1}, {"padding": 1}, {"dilation": 2}, {"padding": "same", "stride": 1}])
def test_a_convolution_whose_windows_overlap_or_are_padded_stays_one(options: dict[str, object]) -> None:
    other = tower(**options)
    multiply_patches(other)
    assert type(other[0]) is nn.Conv3d


def test_a_model_that_reads_images_convolves_nothing(tiny, pages) -> None:
    assert "visual.patch_embed.proj.weight" in tiny.backbone.state_dict()
    with Convolutions() as called:
        tiny.encode_document([ModelInput(None, (page,)) for page in pages])
    assert called.count == 0
