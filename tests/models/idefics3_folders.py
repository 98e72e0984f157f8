"""Folders of tiny random ColIdefics3 models, with Idefics3's real configuration and processor classes."""

from __future__ import annotations

import json
from pathlib import Path

import transformers
from tokenizers import AddedToken

from tests.models.conftest import TINY

TILE, LONGEST = 32, 128  # pixels: 2 x 2 tokens a tile, at most 4 x 4 tiles and the page as a whole
_TOKENS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")


def colidefics3_folder(folder: Path) -> Path:
    """A folder without weights, as colpali-engine names its class, with a token for each place of a tile."""
    folder.mkdir(parents=True)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(TINY / "tokenizer.json"), pad_token="<|endoftext|>", model_max_length=8192
    )
    places = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in (*_TOKENS, *places)])
    tokenizer.save_pretrained(folder)
    config = transformers.Idefics3Config(
        text_config={
            "model_type": "llama",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 1024,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            "eos_token_id": None,
        },
        vision_config={
            "hidden_size": 24,
            "intermediate_size": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": TILE,
            "patch_size": 8,
        },
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    config.architectures = ["ColIdefics3"]
    config.save_pretrained(folder)
    images = {
        "image_processor_type": "Idefics3ImageProcessor",
        "processor_class": "Idefics3Processor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"longest_edge": LONGEST},
        "resample": 1,
        "do_image_splitting": True,
        "max_image_size": {"longest_edge": TILE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_pad": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    return folder
