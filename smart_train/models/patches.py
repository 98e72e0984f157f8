"""The first layer of a vision tower, as the matrix product that it is.

A tower of Qwen's line cuts pictures into patches and gives each of them to a convolution whose kernel covers it whole
and is applied once. That is a linear layer. As a convolution it is several times slower: the general kernels are made
for windows that overlap, above all in the gradient of the weight.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class WholePatchConv3d(nn.Conv3d):
    """A convolution that multiplies where its input [n, C, F, P, P] is as large as its kernel, and else convolves.

    Weights, names and results are the convolution's; sums are rounded in another order.
    """

    def forward(self, input: Tensor) -> Tensor:
        if tuple(input.shape[2:]) != self.kernel_size:
            return super().forward(input)
        product = F.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return product[:, :, None, None, None]


def multiply_patches(backbone: nn.Module) -> None:
    """Lets every plain convolution of `backbone` multiply whole patches, in place.

    The class is changed, not the module: hooks, parameters and the names of saved weights stay as they are.
    """
    for module in backbone.modules():
        if type(module) is nn.Conv3d and _covers_each_once(module):
            module.__class__ = WholePatchConv3d


def _covers_each_once(conv: nn.Conv3d) -> bool:
    """Whether windows of `conv` neither overlap nor read anything beside the input."""
    plain = conv.groups == 1 and set(conv.dilation) == {1} and conv.padding in ((0, 0, 0), "valid")
    return plain and tuple(conv.kernel_size) == tuple(conv.stride)
