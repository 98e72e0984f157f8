"""What an objective learns of its own: log(1 / T) of each term, where it starts, how fast it moves and its bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smart_train.errors import ScoreError
from smart_train.scoring import ScoringConfig
from smart_train.utils.terms import LEARNED_TEMPERATURES, MIN_TEMPERATURE

# How many times as fast as other parameters log T moves. Adam moves every parameter by about the learning rate; the
# quickstart's 700 steps at 5e-4 could change a temperature by a fifth in all, and it has to fall to a tenth.
LEARNED_RATE = 20.0


def temperatures_of_terms(temperature: float, scoring: ScoringConfig) -> dict[str, float]:
    """The temperature of each score inside the softmax of `hybrid` at `temperature`, where `scoring` weighs both.

    Raises:
        ScoreError: learning would begin outside its bounds. The weights may be those that an earlier run has learned.
    """
    weights = {"pooled": scoring.pooled_weight, "late": scoring.late_weight}
    temperatures = {term: temperature / weight for term, weight in weights.items()}
    least, most = LEARNED_TEMPERATURES
    for term, start in temperatures.items():
        if not least <= start <= most:
            # Rounded towards the middle: what is named must be taken.
            low, high = (math.ceil(1e4 * least * max(weights.values())), math.floor(1e4 * most * min(weights.values())))
            advice = f"set objective.temperature between {low / 1e4:g} and {high / 1e4:g}, or " if low <= high else ""
            raise ScoreError(
                f"objective hybrid with learn_weights: the model's scoring.{term}_weight is {weights[term]:g}, so the "
                f"temperature of that score would start at {temperature:g} / {weights[term]:g} = {start:g}; it must "
                f"lie between {least} and {most}: {advice}take objective.name joint, which does not read these weights"
            )
    return temperatures


def start_scales(
    temperatures: Mapping[str, float], *, learn_temperature: bool, learn_weights: bool
) -> nn.ParameterDict:
    """Term -> parameter [1], from which `scale_of` makes 1 / T; trained where either is learned.

    Raises:
        ScoreError: a temperature that is not above 0, or one that is learned and begins outside its bounds: the loss
            would use the bound instead.
    """
    least, most = LEARNED_TEMPERATURES if learn_weights else (MIN_TEMPERATURE, math.inf)
    scales = {}
    for term, temperature in temperatures.items():
        if not 0 < temperature < math.inf:
            raise ScoreError(f"temperature of {term} is {temperature}; it must be a number above 0")
        if (learn_temperature or learn_weights) and not least <= temperature <= most:
            bounds = f"between {least} and {most}" if learn_weights else f"at {least} or more"
            key = "learn_weights" if learn_weights else "learn_temperature"
            raise ScoreError(f"temperature of {term} is {temperature:g}; {key} keeps it {bounds}, start there")
        # [1], not a scalar, which FSDP2 cannot shard.
        value = torch.tensor([-math.log(temperature) / (LEARNED_RATE if learn_weights else 1.0)])
        scales[term] = nn.Parameter(value, requires_grad=learn_temperature or learn_weights)
    return nn.ParameterDict(scales)


def scale_of(parameter: Tensor, *, learn_weights: bool) -> Tensor:
    """1 / T [1] of a term's parameter, differentiable where it is learned."""
    if not learn_weights:
        return _bounded(parameter, most=-math.log(MIN_TEMPERATURE)).exp()
    # The value is LEARNED_RATE times the parameter, its gradient that of the value itself: multiplied as well, it
    # would outweigh all other gradients where their common norm is clipped.
    log_scale = parameter + ((LEARNED_RATE - 1) * parameter).detach()
    least, most = (-math.log(bound) for bound in reversed(LEARNED_TEMPERATURES))
    return _bounded(log_scale, least=least, most=most).exp()


def _bounded(log_scale: Tensor, *, most: float, least: float = -math.inf) -> Tensor:
    """`log_scale` between `least` and `most`. At and past a bound it can only come back.

    A plain clamp has no gradient past its bound, so that a step too far would fix the temperature for good. Clamping
    the parameter itself after each step would need every sharded engine's help; this needs none.
    """
    held = log_scale + (log_scale.clamp(min=least, max=most) - log_scale).detach()
    if held.requires_grad:
        above, below = log_scale.detach() >= most, log_scale.detach() <= least
        # Descent raises what has a negative gradient.
        held.register_hook(
            lambda grad: torch.where((above & (grad < 0)) | (below & (grad > 0)), torch.zeros_like(grad), grad)
        )
    return held
