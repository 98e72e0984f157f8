"""Folders of tiny random text embedders, built from the real configuration and tokenizer classes."""

import json
import re
import shutil

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.models.conftest import TINY

WORDS = re.findall(r"\S+", "the a cat dog sat on mat red green page revenue total query : passage")
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
CLOSING = {"type_id": 0}
MODULES = "sentence_transformers.models"
IDENTITY = "torch.nn.modules.linear.Identity"


def word_tokenizer(folder):
    """[CLS] words [SEP], as BERT does it; upper case is another word."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(folder)
    return len(names)


def encoder_folder(folder, kind="Bert", **files):
    """A folder without weights: config.json of `kind`, a tokenizer, and sentence-transformers files by keyword."""
    folder.mkdir(parents=True, exist_ok=True)
    config = getattr(transformers, f"{kind}Config")(vocab_size=word_tokenizer(folder), pad_token_id=0, **SMALL)
    config.architectures = [f"{kind}Model"]
    config.save_pretrained(folder)
    return describe(folder, **files)


def decoder_folder(folder, kind="Qwen3", *, closes=False, **files):
    """As `encoder_folder`, with Qwen's vocabulary; `closes`: the tokenizer itself appends `<|endoftext|>`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TINY / name, folder / name)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("processor_class", None)  # a text model's tokenizer stands alone
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if closes:
        values = json.loads((folder / "tokenizer.json").read_text())
        end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
        single = [{"Sequence": {"id": "A", **CLOSING}}, {"SpecialToken": {"id": "<|endoftext|>", **CLOSING}}]
        values["post_processor"] = {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single,
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [end], "tokens": ["<|endoftext|>"]}},
        }
        (folder / "tokenizer.json").write_text(json.dumps(values))
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), num_key_value_heads=2, head_dim=16, **SMALL
    )
    config.architectures = [f"{kind}ForCausalLM"]
    config.save_pretrained(folder)
    return describe(folder, **files)


def gemma_folder(folder, **files):
    """EmbeddingGemma's layout: a Gemma 3 that sees both ways in windows of 5 and 8, two Dense layers, two prompts.

    Args:
        files: in place of what `describe` is told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = transformers.Gemma3TextConfig(
        vocab_size=word_tokenizer(folder),
        pad_token_id=0,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=8,
        use_bidirectional_attention=True,
        layer_types=["sliding_attention", "full_attention"],
        **SMALL,
    )
    config.architectures = ["Gemma3TextModel"]
    config.save_pretrained(folder)
    prompts = {"query": "task: search result | query: ", "document": "title: none | text: ", "STS": "task: red | "}
    described = {
        "pooling": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
        "modules": ("Transformer", "Pooling", "Dense", "Dense", "Normalize"),
        "settings": {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
        "limits": {"max_seq_length": 64, "do_lower_case": False},
    }
    describe(folder, **{**described, **files})
    for place, (columns, rows) in ((2, (32, 48)), (3, (48, 32))):
        dense_module(folder / f"{place}_Dense", columns, rows)
    return folder


def dense_module(folder, columns, rows, **config):
    """A Dense module of sentence-transformers with weights of its own."""
    folder.mkdir(exist_ok=True)
    stated = {"in_features": columns, "out_features": rows, "bias": False, "activation_function": IDENTITY, **config}
    (folder / "config.json").write_text(json.dumps(stated))
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows)) / columns**0.5
    save_file({"linear.weight": weight}, folder / "model.safetensors")


def describe(folder, *, pooling=None, modules=("Transformer", "Pooling"), settings=None, limits=None):
    """Adds the files that sentence-transformers would write."""
    if pooling is not None:
        paths = {"Transformer": ""}
        entries = [
            {"idx": index, "name": str(index), "path": paths.get(kind, f"{index}_{kind}"), "type": f"{MODULES}.{kind}"}
            for index, kind in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(entries))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if settings is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    if limits is not None:
        (folder / "sentence_bert_config.json").write_text(json.dumps(limits))
    return folder
