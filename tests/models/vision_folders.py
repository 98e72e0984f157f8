"""Folders of tiny random vision-language models of Qwen's line, with the real configuration and processor classes."""

import json
import shutil
from dataclasses import replace

from smart_train.models import PromptConfig
from tests.models.conftest import TINY

SYSTEM = (
    "{%- if messages[0].role != 'system' -%}"
    "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}"
    "{%- endif -%}\n"
)  # as the chat templates of Qwen2-VL and Qwen2.5-VL begin
SMALL_PAGES = PromptConfig(min_pixels=4 * 28 * 28)
# Families that make every image large, so that a test of many would take minutes: what leaves 9 tokens of one.
_ENLARGED = {"unime_v2": 9 * 28 * 28, "eager_embed": 10 * 32 * 32}
SPARE = 8  # embedding rows beyond the vocabulary, as the published models have


def small_pages(name):
    """Bounds within which family `name` leaves a page of 96 x 96 pixels at 9 tokens, or makes one so."""
    return replace(SMALL_PAGES, max_pixels=_ENLARGED.get(name))


def vision_folder(folder, kind):
    """A folder without weights of `kind`: qwen2_vl, qwen2_5_vl or qwen3_vl."""
    shutil.copytree(TINY, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] += SPARE
    if kind != "qwen3_vl":
        (folder / "chat_template.jinja").write_text(SYSTEM + (folder / "chat_template.jinja").read_text())
        config |= {"model_type": kind, "architectures": [_CLASSES[kind]]}
        text = config["text_config"]
        text |= {"model_type": f"{kind}_text"}
        text["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 4, 4]}
        text.pop("head_dim")
        config["vision_config"] = {"model_type": f"{kind}_vision", **_VISION[kind]}
        for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
            values = json.loads((folder / name).read_text()) | {"patch_size": 14, "processor_class": _PROCESSORS[kind]}
            if "video_processor_type" in values:
                values["video_processor_type"] = "Qwen2VLVideoProcessor"
            (folder / name).write_text(json.dumps(values))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


_CLASSES = {"qwen2_vl": "Qwen2VLForConditionalGeneration", "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration"}
_PROCESSORS = {"qwen2_vl": "Qwen2VLProcessor", "qwen2_5_vl": "Qwen2_5_VLProcessor"}
_VISION = {
    "qwen2_vl": {"depth": 2, "embed_dim": 64, "hidden_size": 96, "num_heads": 4, "mlp_ratio": 2, "patch_size": 14},
    "qwen2_5_vl": {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "out_hidden_size": 96,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    },
}
