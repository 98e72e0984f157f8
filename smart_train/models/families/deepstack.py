"""DeepStack of Qwen3-VL: features of earlier vision layers, added at image positions to the first decoder states.

Sources: `Qwen3VLTextModel` of transformers 4.57, which adds in place, so that the states that it returns contain the
sum; and of transformers 5, which adds to a copy, so that they do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

WEIGHTS = "visual.deepstack_merger_list."  # name prefix of the weights that make the features


def complete_hidden_states(backbone: nn.Module) -> None:
    """Makes the `hidden_states` that `backbone` returns the states that its next layers read: DeepStack's features
    included. Published projections over the first blocks were trained on these. No effect on other backbones.

    A replacement of the method that adds was rejected: it would write in place into what other hooks have seen, and its
    name is private.
    """
    if getattr(getattr(backbone, "visual", None), "deepstack_visual_indexes", None):
        cast(Any, backbone).language_model.register_forward_hook(_add_features, with_kwargs=True)


def remove_deepstack(backbone: nn.Module) -> None:
    """Turns DeepStack off, in place: the vision tower gives its last output alone, and the configuration says so, so
    that every reader of a saved folder does the same."""
    model = cast(Any, backbone)
    model.config.vision_config.deepstack_visual_indexes = []
    model.visual.deepstack_visual_indexes = []
    model.visual.deepstack_merger_list = nn.ModuleList()


def _add_features(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> Any:
    """`output` with the features that the language model was given added to its hidden states.

    hidden_states[k] is the state after k layers, and feature i is added after layer i. The last one is
    `last_hidden_state`, which contains all of them.
    """
    states, features = output.hidden_states, kwargs.get("deepstack_visual_embeds")
    if states is None or not features:
        return output
    completed = list(states)
    for after, feature in enumerate(features[: len(states) - 2], start=1):
        if completed[after] is not None:  # transformers can leave out the states that nobody asked for
            state = completed[after].clone()
            positions = kwargs["visual_pos_masks"].to(state.device)
            state[positions] = state[positions] + feature.to(state.device, state.dtype)
            completed[after] = state
    output.hidden_states = tuple(completed)
    return output
