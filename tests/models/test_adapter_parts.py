"""What an adapter trains beside LoRA: whole modules and single tokens, by our own recipe or by another trainer."""

import json
import shutil

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_adapter, export_model
from smart_train.models import quantization
from smart_train.models.bases import weights_digest
from smart_train.models.peft import add_lora, mix_adapters
from smart_train.types import ModelInput
from tests.models.conftest import make_model
from tests.models.text_folders import decoder_folder, encoder_folder

NEW, KNOWN = "<doc>", "total"
TEXTS = ["total revenue <doc> 2019", "<doc> a caption"]
ROWS = 2048  # of the tiny decoder's vocabulary


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """bases(kind): a folder of weights whose vocabulary has no spare row."""
    folder = tmp_path_factory.mktemp("bases")

    def make(kind):
        if not (folder / kind).is_dir():
            made = {"text_decoder": decoder_folder, "text_encoder": encoder_folder}.get(kind)
            drawn = (
                make_model() if made is None else SmartModel.from_config(made(folder / f"{kind}-config"), init_std=0.05)
            )
            drawn.save_pretrained(folder / kind)
        return folder / kind

    return make


def disturb(backbone):
    """Weights that training might have come to: every trained one far from where it began."""
    torch.manual_seed(0)
    for parameter in backbone.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)


def trained(base, **parts):
    model = SmartModel.from_pretrained(base)
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0, **parts)
    disturb(model.backbone)
    return model.eval()


def packed(model):
    return model.encode_query(TEXTS).packed


KINDS = {"text_decoder": "embed_tokens", "text_encoder": "word_embeddings", "vision": "embed_tokens"}
PARTS = {
    "tokens": lambda embeddings: {"trained_tokens": [NEW, KNOWN]},
    "modules": lambda embeddings: {
        "modules_to_save": ["layers.1.post_attention_layernorm", "layer.1.output.LayerNorm"]
    },
    "embeddings": lambda embeddings: {"modules_to_save": [embeddings], "trained_tokens": [NEW]},
    "lora": lambda embeddings: {"target_modules": [embeddings]},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_what_is_saved_loads_as_it_was_and_merges_to_the_same(bases, tmp_path, kind, part):
    parts = PARTS[part](KINDS[kind])
    if part == "modules":
        parts = {"modules_to_save": parts["modules_to_save"][kind == "text_encoder" :][:1]}
    base = bases(kind)
    model = trained(base, **parts)
    expected = packed(model)
    model.save_pretrained(tmp_path / "adapter")
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert any("lora_" not in name for name in saved) == (part != "lora") and len(saved) > 1
    assert not any(name.endswith("base_layer.weight") for name in saved), "the base has them"
    loaded = SmartModel.from_pretrained(tmp_path / "adapter")
    assert torch.equal(packed(loaded), expected)
    if part in ("tokens", "embeddings"):
        known = loaded.family.tokenizer.get_vocab()
        assert known[NEW] == SmartModel.from_pretrained(base).backbone.get_input_embeddings().num_embeddings
    loaded.backbone = loaded.backbone.merge_and_unload(safe_merge=True)
    loaded.save_pretrained(tmp_path / "merged")
    merged = SmartModel.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(packed(merged), expected, atol=1e-5, rtol=0)
    assert merged.family.tokenizer.get_vocab() == loaded.family.tokenizer.get_vocab()


def test_other_libraries_read_a_new_token(bases, tmp_path):
    """... in the export, and in the adapter alone, which says how many embeddings PEFT's base needs."""
    trained(bases("text_decoder"), trained_tokens=[NEW], modules_to_save=["norm"]).save_pretrained(tmp_path / "adapter")
    report = export_model(tmp_path / "adapter", tmp_path / "export")
    assert [route.failure or route.skipped for route in report.routes] == [None] * 4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "export")
    assert tokenizer.tokenize(f"a {NEW} b").count(NEW) == 1
    assert transformers.AutoConfig.from_pretrained(tmp_path / "export").vocab_size == ROWS + 1
    routes = export_adapter(tmp_path / "adapter", tmp_path / "alone")
    assert [(route.route, route.failure or route.skipped) for route in routes] == [
        ("smart_train", None),
        ("peft", None),
    ]
    assert (tmp_path / "alone" / "tokenizer.json").is_file()
    assert (
        f"base.resize_token_embeddings({ROWS + 1}, mean_resizing=False)" in (tmp_path / "alone/README.md").read_text()
    )


def test_a_token_begins_as_the_mean_and_the_base_stays_what_it_was(bases):
    base = bases("text_decoder")
    model = SmartModel.from_pretrained(base)
    rows = model.backbone.get_input_embeddings().weight.detach().clone()
    before = packed(model)
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0, trained_tokens=[NEW])
    trained_rows = [value for name, value in model.backbone.named_parameters() if "trainable_tokens" in name]
    torch.testing.assert_close(trained_rows[0][0], rows.mean(0))
    assert len(packed(model)) < len(before), "the characters of the token are one token now"
    plain = ["total revenue 2019"]
    again = SmartModel.from_pretrained(base).encode_query(plain).packed
    assert torch.equal(model.encode_query(plain).packed, again) and weights_digest(base) is not None


def by_another_trainer(base, folder, *, tokens=0, rows=None, disturbed=True, **settings):
    """An adapter over the generation class, as PEFT alone leaves it, and the states of its model on TEXTS."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens([NEW, "<query>"][:tokens])
    whole = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if rows is not None:
        torch.manual_seed(1)
        whole.resize_token_embeddings(rows, mean_resizing=False)
    model = get_peft_model(whole, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], **settings))
    model.peft_config["default"].base_model_name_or_path = str(base)
    if disturbed:
        disturb(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    merged = model.merge_and_unload().eval()
    with torch.no_grad():
        ids = [tokenizer(text, return_tensors="pt") for text in TEXTS]
        return [merged.model(**one).last_hidden_state[0] for one in ids]


def raw_states(model):
    """The last states of TEXTS, without a prompt around them."""
    tokenizer = model.family.tokenizer
    with torch.no_grad():
        ids = [tokenizer(text, return_tensors="pt") for text in TEXTS]
        return [model.backbone(**one).last_hidden_state[0] for one in ids]


FOREIGN = {
    "resized, with head": {"tokens": 2, "rows": ROWS + 2, "modules_to_save": ["embed_tokens", "lm_head"]},
    "resized beyond its tokens": {"tokens": 1, "rows": ROWS + 16, "modules_to_save": ["embed_tokens", "lm_head"]},
    "single tokens": {"tokens": 2, "rows": ROWS + 2, "trainable_token_indices": [7, ROWS, ROWS + 1]},
    "by name": {"tokens": 1, "rows": ROWS + 1, "trainable_token_indices": {"embed_tokens": [ROWS]}},
    "known token": {"trainable_token_indices": [7]},
    "norm by full name": {"modules_to_save": ["layers.1.post_attention_layernorm"]},
    "head alone": {"modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_an_adapter_of_another_trainer_gives_what_its_model_gave(bases, tmp_path, case):
    expected = by_another_trainer(bases("text_decoder"), tmp_path / "adapter", **FOREIGN[case])
    model = SmartModel.from_pretrained(tmp_path / "adapter")
    for own, other in zip(raw_states(model), expected, strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=0)
    model.save_pretrained(tmp_path / "ours")
    again = SmartModel.from_pretrained(tmp_path / "ours")
    assert torch.equal(packed(again), packed(model))


def test_embeddings_cut_to_the_vocabulary_are_read(tmp_path):
    """Qwen's models have spare rows, which `resize_token_embeddings(len(tokenizer))` cuts off."""
    base = decoder_folder(tmp_path / "config")
    config = json.loads((base / "config.json").read_text()) | {"vocab_size": ROWS + 10}
    (base / "config.json").write_text(json.dumps(config))
    SmartModel.from_config(base, init_std=0.05).save_pretrained(tmp_path / "base")
    saved = {"tokens": 1, "rows": ROWS + 1, "modules_to_save": ["embed_tokens"]}
    expected = by_another_trainer(tmp_path / "base", tmp_path / "adapter", **saved)
    model = SmartModel.from_pretrained(tmp_path / "adapter")
    for own, other in zip(raw_states(model), expected, strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=0)
    assert model.backbone.get_input_embeddings().weight.shape[0] == ROWS + 10


def test_without_its_tokenizer_a_larger_vocabulary_is_refused(bases, tmp_path):
    for name, settings, message in (
        (
            "whole",
            FOREIGN["resized, with head"],
            rf"holds embeddings for {ROWS + 2} tokens, and the tokenizer of .* has",
        ),
        ("tokens", FOREIGN["by name"], rf"holds the embedding of token {ROWS}, .* put the tokenizer.json"),
    ):
        by_another_trainer(bases("text_decoder"), tmp_path / name, **settings)
        (tmp_path / name / "tokenizer.json").unlink()
        with pytest.raises(ModelError, match=message):
            SmartModel.from_pretrained(tmp_path / name)


def edited(source, folder, **values):
    shutil.copytree(source, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | values))
    return folder


def test_what_cannot_be_read_is_refused_by_name(bases, tmp_path):
    by_another_trainer(bases("text_decoder"), tmp_path / "tokens", **FOREIGN["single tokens"])
    by_another_trainer(bases("text_decoder"), tmp_path / "head", **FOREIGN["head alone"])
    tokens = tmp_path / "tokens"
    few = edited(tokens, tmp_path / "few", trainable_token_indices=[7])
    with pytest.raises(ModelError, match="names 1 trainable_token_indices, and the weights hold 3 such rows"):
        SmartModel.from_pretrained(few)
    other = edited(tokens, tmp_path / "other", trainable_token_indices={"embed_tokens": [7], "wte": [7]})
    with pytest.raises(ModelError, match="trainable_token_indices of wte .*: only those of the input embeddings"):
        SmartModel.from_pretrained(other)
    tied = edited(tmp_path / "head", tmp_path / "tied", ensure_weight_tying=True)
    with pytest.raises(ModelError, match="trains lm_head, tied to the embeddings, .*; merge it with the base"):
        SmartModel.from_pretrained(tied)
    moved = edited(tokens, tmp_path / "moved")
    values = json.loads((moved / "tokenizer.json").read_text())
    values["added_tokens"][-1]["id"] += 1
    (moved / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=rf"gives '<query>' the id {ROWS + 2}, and over the tokenizer .* {ROWS + 1};"):
        SmartModel.from_pretrained(moved)
    values["added_tokens"] = [{"id": "x"}]
    (moved / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"tokenizer\.json: its added_tokens cannot be read"):
        SmartModel.from_pretrained(moved)


def test_saved_embeddings_that_were_trained_otherwise_are_refused(bases, tmp_path):
    by_another_trainer(bases("text_decoder"), tmp_path / "adapter", **FOREIGN["single tokens"])
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    state = load_file(file)
    (key,) = [name for name in state if name.endswith("embed_tokens.token_adapter.base_layer.weight")]
    state[key][7] += 1.0  # trained as a single token: what the base had there does not matter
    save_file(state, file, {"format": "pt"})
    SmartModel.from_pretrained(tmp_path / "adapter")
    state[key][8] += 1.0
    save_file(state, file, {"format": "pt"})
    with pytest.raises(
        ModelError, match=r"holds embeddings \(.*base_layer.weight\) that differ from those of its base"
    ):
        SmartModel.from_pretrained(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"modules_to_save": ["lm_head"]}, "'lm_head': a head, which the embeddings do not depend on .*; leave it out"),
        ({"modules_to_save": ["embed_token"]}, "no module of Qwen3VLModel has a name that ends so.*embed_tokens"),
        (
            {"modules_to_save": ["norm1"]},
            r"'norm1': also visual\.blocks\.0\.norm1, which is in the frozen vision tower",
        ),
        ({"modules_to_save": ["act_fn"]}, "vision tower"),
        ({"modules_to_save": ["language_model.rotary_emb"]}, "language_model.rotary_emb has no weights to train"),
        (
            {"modules_to_save": ["language_model.layers"]},
            "language_model.layers is a list of modules; name those in it, language_model.layers.0 and so on",
        ),
        ({"modules_to_save": ["q_proj"], "quantized": True}, "self_attn.q_proj is held in few bits"),
        (
            {"trained_tokens": ["<|box_start|>"]},
            "is a control token of the model, which is not read where a text holds",
        ),
        ({"trained_tokens": [" "]}, "holds no character but blanks"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(tiny, parts, message):
    with pytest.raises(ModelError, match=message):
        add_lora(tiny.backbone, tiny.family, r=4, alpha=8, dropout=0.0, **parts)


def test_a_token_in_capitals_is_refused_where_the_model_reads_lower_case(tmp_path):
    folder = encoder_folder(tmp_path / "lower", limits={"max_seq_length": 32, "do_lower_case": True})
    model = SmartModel.from_config(folder)
    assert model.family.lower_case
    with pytest.raises(ModelError, match=r"'<DOC>': the tokenizer .* \(the model reads lower case\); choose another"):
        add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0, trained_tokens=["<DOC>"])


def test_a_weighted_sum_is_of_lora_alone(bases, tmp_path):
    model = trained(bases("text_decoder"), modules_to_save=["norm"])
    model.save_pretrained(tmp_path / "adapter")
    loaded = SmartModel.from_pretrained(tmp_path / "adapter")
    mix_adapters(loaded.backbone, {tmp_path / "adapter": 1.0})
    with pytest.raises(ModelError, match=r"trains \['norm'\] beside LoRA, of which no weighted sum is made"):
        mix_adapters(loaded.backbone, {tmp_path / "adapter": 0.5})


def test_on_a_quantised_base_they_are_trained_and_saved(bases, tmp_path):
    pytest.importorskip("bitsandbytes")
    model = SmartModel.from_pretrained(bases("text_decoder"), quantization="4bit", device="cpu")
    quantization.prepare(model.backbone, model.family, "norms")
    parts = {"trained_tokens": [NEW], "modules_to_save": ["layers.1.post_attention_layernorm"], "quantized": True}
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0, **parts)
    model.embed(model.family.featurize([ModelInput(TEXTS[0])], "query")).pooled[0, 0].backward()
    beside = [
        weight for name, weight in model.backbone.named_parameters() if weight.requires_grad and "lora" not in name
    ]
    assert len(beside) == 2 and all(weight.grad.abs().max() > 0 for weight in beside)
    disturb(model.backbone)
    expected = packed(model.eval())
    model.save_pretrained(tmp_path / "adapter")
    again = SmartModel.from_pretrained(tmp_path / "adapter", quantization="4bit", device="cpu")
    assert torch.equal(packed(again), expected)
