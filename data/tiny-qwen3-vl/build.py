"""Rebuild the files of this folder: a Qwen3-VL without weights, small enough to learn on a CPU.

Run:     python data/tiny-qwen3-vl/build.py [--output DIR]
Needs:   transformers (it brings tokenizers); no network, no GPU; about 2 s.
Expect:  six files besides this one, 60 KB in all, the same bytes for the same Python and tokenizers versions.

The tokenizer is trained here, on the language reference and the docstrings that every Python installation carries, so
that no vocabulary of somebody else is committed. Its special tokens carry the names that Qwen's own have, in the same
order, because the chat template, the processor and the token filter look them up by name.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

VOCABULARY = 2048
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
MODULES = (
    "argparse ast asyncio collections configparser csv ctypes datetime decimal difflib doctest email fractions ftplib "
    "functools glob gzip heapq html http.client imaplib inspect io itertools json locale logging mailbox "
    "multiprocessing optparse os pathlib pickle platform random re sched select shutil smtplib socket sqlite3 ssl stat "
    "statistics string struct subprocess sys tarfile tempfile textwrap threading time timeit tokenize traceback turtle "
    "types unittest urllib.request uuid warnings weakref xml.dom.minidom zipfile"
)
# Words of data/local-binding and of the instructions: each should be one token, and reference manuals hardly use them.
EXTRA_WORDS = (
    "red green blue orange purple black yellow pink brown gray cyan circle square triangle diamond cross ring star "
    "beside code mark page image document query Find Represent matches given user"
)

# One content item per line would read better, but whitespace inside a template is output: hence the dashes.
CHAT_TEMPLATE = """\
{%- macro render(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- else -%}
        {%- for item in content -%}
            {%- if item.type == 'image' -%}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
            {%- elif item.type == 'video' -%}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
            {%- elif item.type == 'text' -%}
                {{- item.text -}}
            {%- else -%}
                {{- raise_exception('content item of type ' ~ item.type ~ '; known: image, video, text') -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + render(message.content) + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def corpus() -> Iterator[str]:
    """English text of the running Python: its reference topics, its docstrings, and the extra words, often enough to
    become tokens of their own."""
    topics = importlib.import_module("pydoc_data.topics").topics
    yield from (topics[name] for name in sorted(topics))
    for name in MODULES.split():
        module = importlib.import_module(name)
        for attribute in sorted(vars(module)):
            text = getattr(getattr(module, attribute), "__doc__", None)
            if isinstance(text, str):
                yield text
    yield from (f"{word} {word}" for word in EXTRA_WORDS.split() for _ in range(2000))


def build_tokenizer() -> Tokenizer:
    """A byte-level BPE that splits text exactly as Qwen's does (each digit alone); special tokens come last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def token_ids(vocabulary: int = VOCABULARY) -> dict[str, int]:
    """The id of each special token: the last ones of the vocabulary."""
    first = vocabulary - len(SPECIAL_TOKENS)
    return {token: first + index for index, token in enumerate(SPECIAL_TOKENS)}


def model_config() -> dict:
    """config.json: every part that the large models have (DeepStack, interleaved rope sections), each at its least."""
    ids = token_ids()
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "tie_word_embeddings": True,
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "text_config": {
            "model_type": "qwen3_vl_text",
            "vocab_size": VOCABULARY,
            "hidden_size": 96,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "hidden_act": "silu",
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-6,
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
            "use_cache": False,
            # The sections are pairs of rotary dimensions for time, height and width: together half of head_dim.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
        },
        "vision_config": {
            "model_type": "qwen3_vl_vision",
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "hidden_act": "gelu_pytorch_tanh",
            "in_channels": 3,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 256,
            "out_hidden_size": 96,
            "deepstack_visual_indexes": [0],
        },
    }


def processor_configs() -> dict[str, dict]:
    """Image, video and tokenizer settings, by file name. Pixel limits are those of Qwen3-VL-Embedding."""
    pixels = {
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "do_convert_rgb": True,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    return {
        "preprocessor_config.json": {
            **pixels,
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": 1800 * 32 * 32},
        },
        "video_preprocessor_config.json": {
            **pixels,
            "video_processor_type": "Qwen3VLVideoProcessor",
            "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": 16 * 1800 * 32 * 32},
            "fps": 1,
            "min_frames": 2,
            "max_frames": 64,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "processor_class": "Qwen3VLProcessor",
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": None,
            "additional_special_tokens": [
                token for token in SPECIAL_TOKENS if token not in ("<|endoftext|>", "<|im_end|>")
            ],
            "padding_side": "right",
            "model_max_length": 4096,
        },
    }


def build(output: Path) -> None:
    """Write the model folder's files into `output`, replacing those that are there."""
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    expected = token_ids()
    found = {token: tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    assert found == expected, f"special tokens at {found}, the model's config says {expected}"
    tokenizer.save(str(output / "tokenizer.json"), pretty=False)
    (output / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    for name, content in {"config.json": model_config(), **processor_configs()}.items():
        (output / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rebuild the tiny Qwen3-VL model folder (no weights).")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="default: this folder")
    build(parser.parse_args().output)
