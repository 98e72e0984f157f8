"""Folders of tiny random text embedders, built from the real configuration and tokenizer classes."""

import json
import re
import shutil

import transformers
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


def describe(folder, *, pooling=None, modules=("Transformer", "Pooling"), settings=None, limits=None):
    """Adds the files that sentence-transformers would write."""
    if pooling is not None:
        paths = {"Transformer": ""}
        entries = [
            {"idx": index, "name": str(index), "path": paths.get(kind, f"{index}_{kind}"), "type": f"any.models.{kind}"}
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
