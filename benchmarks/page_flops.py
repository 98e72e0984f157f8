"""What a page costs a Qwen3-VL, by counting multiplications: vision tower and language model apart.

    python -m benchmarks.page_flops            # no model is made: the counts follow from its shapes
    python -m benchmarks.page_flops --write    # the same, into docs/benchmarks.md

A multiply-add is two. Counted are the products with weights (2 a weight and position) and those of attention (4 a
width and pair of positions; a causal mask saves none of them). A backward pass through weights that are not trained
costs what the forward pass costs, that of attention twice as much. Pages a second are these counts at 40 % of an H100's
989 TFLOP/s: a bound for planning, not a measurement.
"""

from __future__ import annotations

from typing import Any

from benchmarks._harness import DOCUMENT
from benchmarks.document import print_or_write
from benchmarks.real_size import PEAKS, SCALES

SHARE = 0.4  # of the peak, which large steps reach
PATCH = 16  # pixels of a patch's side; a token is 2 x 2 patches
TOKENS = (1_024, 1_300, 1_800)


def vision_flops(config: dict[str, Any], tokens: int) -> float:
    """Of one forward pass of the vision tower over a page of so many visual tokens."""
    width, inner, patches = config["hidden_size"], config["intermediate_size"], 4 * tokens
    block = 2 * (4 * width * width + 2 * width * inner) * patches + 4 * width * patches**2
    merger = 2 * (4 * width) * (4 * width + config["out_hidden_size"]) * tokens
    embedding = 2 * 3 * 2 * PATCH**2 * width * patches
    return embedding + config["depth"] * block + (1 + len(config["deepstack_visual_indexes"])) * merger


def language_flops(config: dict[str, Any], tokens: int) -> tuple[float, float]:
    """Of one forward pass of the language model: products with weights, and attention's."""
    width, heads = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    shared = config["num_key_value_heads"] * config["head_dim"]
    weights = width * (2 * heads + 2 * shared) + 3 * width * config["intermediate_size"]
    return config["num_hidden_layers"] * 2.0 * weights * tokens, config["num_hidden_layers"] * 4.0 * heads * tokens**2


def page_flops(scale: str, tokens: int) -> dict[str, float]:
    """What is done for one page -> how many multiplications and additions it takes."""
    shapes = SCALES[scale]["overrides"]
    vision = vision_flops(shapes["vision_config"], tokens)
    weights, attention = language_flops(shapes["text_config"], tokens)
    language, backward = weights + attention, weights + 2 * attention
    return {
        "encode": vision + language,
        "train LoRA": vision + language + backward,
        "train LoRA, activation checkpointing": vision + 2 * language + backward,
        "train LoRA, gradient caching, tower twice": 2 * (vision + language) + backward,
        "train LoRA, gradient caching": vision + 2 * language + backward,
        "train a projection, gradient caching, backbone twice": 2 * (vision + language),
        "train a projection, gradient caching": vision + language,
        "train a projection, states on disk, each of 2 epochs": (vision + language) / 2,
    }


def lines() -> list[str]:
    """The table, in Markdown."""
    found = ["## What a page costs", "", "`python -m benchmarks.page_flops --write`", ""]
    for scale in ("2b", "8b"):
        shapes = SCALES[scale]["overrides"]
        vision = [vision_flops(shapes["vision_config"], tokens) / 1e12 for tokens in TOKENS]
        language = [sum(language_flops(shapes["text_config"], tokens)) / 1e12 for tokens in TOKENS]
        found += [f"**Qwen3-VL, {scale.upper()}: TFLOP a page, and pages a second at 40 % of an H100, computed**", ""]
        found += [f"| a page of | {' | '.join(f'{tokens:,} tokens' for tokens in TOKENS)} |", f"|{'---|' * 4}"]
        for name, part in (("forward, vision tower", vision), ("forward, language model", language)):
            found.append(f"| {name} | {' | '.join(f'{value:.1f}' for value in part)} |")
        for name in page_flops(scale, TOKENS[0]):
            total = [page_flops(scale, tokens)[name] for tokens in TOKENS]
            cells = [f"{value / 1e12:.1f}: {SHARE * PEAKS['H100'] * 1e12 / value:.0f} pages/s" for value in total]
            found.append(f"| {name} | {' | '.join(cells)} |")
        found.append("")
    return found


if __name__ == "__main__":
    print_or_write(__doc__, DOCUMENT, "page_flops", lines)
