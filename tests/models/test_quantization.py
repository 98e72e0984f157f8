"""Backbones in 4 and 8 bits: near full precision, trainable through, and saved and exported onto full precision."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_model
from smart_train.models import TokenProjection, quantization
from smart_train.models.peft import add_lora
from smart_train.scoring.processor_arithmetic import cut_integer_products
from tests.models.conftest import make_model

bitsandbytes = pytest.importorskip("bitsandbytes")
LORA = {"r": 4, "alpha": 8, "dropout": 0.0}
EIGHT_BITS = pytest.param(
    "8bit",
    marks=pytest.mark.skipif(cut_integer_products() is not None, reason="products of 8-bit integers are wrong here"),
)
KINDS = ["4bit", EIGHT_BITS]
NORMS = ["input_layernorm", "post_attention_layernorm", "self_attn.q_norm", "self_attn.k_norm"]
# Scores lie between -2 and 2. Measured on the tiny model: 4 bits move pooled cosines by 0.03, 8 bits by 0.007.
NEAR = {"4bit": 0.1, "8bit": 0.02}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    make_model().save_pretrained(folder)
    return folder


def quantised_names(model):
    layers = (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)
    return [name for name, module in model.backbone.named_modules() if isinstance(module, layers)]


def move(model, std=0.05):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=std)


def step(model, inputs):
    """Gradients of one contrastive step."""
    model.train()
    encoded = model(model.family.featurize(inputs, "document"))
    logits = encoded.pooled @ encoded.pooled.detach().roll(1, 0).T
    (torch.nn.functional.cross_entropy(logits / 0.05, torch.arange(len(inputs))) + encoded.packed.sum()).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_stay_near_full_precision(kind, base, mixed):
    full, small = SmartModel.from_pretrained(base), SmartModel.from_pretrained(base, quantization=kind)
    ours, theirs = small.encode_document(mixed), full.encode_document(mixed)
    difference = (small.similarity(ours, ours) - full.similarity(theirs, theirs)).abs().max()
    assert 1e-4 < difference < 2 * NEAR[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_language_model_is_quantised_and_the_vision_tower_is_not(kind, base):
    names = quantised_names(SmartModel.from_pretrained(base, quantization=kind))
    assert len(names) == 2 * 7 and all(name.startswith("language_model.layers.") for name in names)


def test_four_bits_are_doubly_quantised_normal_floats_computed_in_float32_on_a_cpu(base):
    model = SmartModel.from_pretrained(base, quantization="4bit")
    layer = model.backbone.language_model.layers[0].mlp.up_proj
    assert layer.weight.quant_state.quant_type == "nf4" and layer.weight.quant_state.nested
    assert layer.compute_dtype == torch.float32 and layer.weight.dtype == torch.uint8


@pytest.mark.parametrize("upcast", ["norms", "all", "none"])
def test_prepared_for_training_by_peft_with_what_is_upcast_chosen(upcast, base, mixed):
    model = SmartModel.from_pretrained(base, quantization="4bit", dtype="bfloat16")
    quantised = set(quantised_names(model))
    quantization.prepare(model.backbone, model.family, upcast)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    wide = {name for name, parameter in model.backbone.named_parameters() if parameter.dtype == torch.float32}
    plain = {name for name, _ in model.backbone.named_parameters() if name.removesuffix(".weight") not in quantised}
    norms = {f"language_model.layers.{layer}.{name}.weight" for layer in range(2) for name in NORMS}
    assert wide == {"norms": norms | {"language_model.norm.weight"}, "all": plain, "none": set()}[upcast]
    model.backbone = add_lora(model.backbone, model.family, **LORA)
    move(model)
    states = []
    model.backbone.get_submodule("base_model.model.language_model.layers.1").register_forward_hook(
        lambda layer, given, output: states.append(output[0] if isinstance(output, tuple) else output)
    )
    gradients = step(model, mixed)
    assert states[0].dtype == (torch.bfloat16 if upcast == "none" else torch.float32)
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recompute", [False, True])
def test_lora_trains_through_quantised_weights_also_after_an_evaluation(kind, recompute, base, mixed):
    model = SmartModel.from_pretrained(base, quantization=kind)
    model.encode_document(mixed[:1])  # before the adapter, as a run evaluates before it trains
    model.backbone = add_lora(model.backbone, model.family, **LORA)
    move(model)
    model.encode_document(mixed[:1])
    if recompute:
        model.backbone.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    gradients = step(model, mixed)
    assert len(gradients) == 2 * 7 * 2
    for name, gradient in gradients.items():
        assert gradient.isfinite().all() and gradient.abs().max() > 0, name


def rounded(weight):
    """What 4-bit weights stand for, by hand: two codes to a byte, the high half first, 64 codes to a scale."""
    state, packed = weight.quant_state, weight.data.flatten().long()
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
    scales = bitsandbytes.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
    return (state.code[codes] * scales.repeat_interleave(64)[: len(codes)]).view(state.shape)


def test_rows_that_end_inside_a_block_are_read_with_their_own_scales(base):
    """Rows of 96, in blocks of 64: on a processor with AVX512, bitsandbytes takes the scales of other blocks."""
    small, plain = SmartModel.from_pretrained(base, quantization="4bit"), SmartModel.from_pretrained(base)
    lengths = set()
    for name in quantised_names(small):
        layer, exact = small.backbone.get_submodule(name), plain.backbone.get_submodule(name).weight
        lengths.add(layer.in_features % 64)
        torch.testing.assert_close(layer(torch.eye(layer.in_features)).T, rounded(layer.weight), atol=1e-6, rtol=0)
        assert (rounded(layer.weight) - exact).norm() < 0.1 * exact.norm()  # 0.09 of normal weights
    assert lengths == {0, 32}


def test_four_bits_compute_as_their_dequantised_weights_would(base, mixed):
    """Forward and gradients: what is lost is lost in rounding the weights, and nowhere else."""
    small = SmartModel.from_pretrained(base, quantization="4bit")
    plain = SmartModel.from_pretrained(base)
    for name in quantised_names(small):
        weight = small.backbone.get_submodule(name).weight
        plain.backbone.get_submodule(name).weight.data.copy_(rounded(weight))
    found = []
    for model in (small, plain):
        torch.manual_seed(0)
        model.backbone = add_lora(model.backbone, model.family, **LORA)
        move(model)
        found.append((model.encode_document(mixed).packed, step(model, mixed)))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=0)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"use_dora": True}])
def test_adapter_round_trip_names_the_full_precision_base(kind, options, base, tmp_path, mixed):
    model = SmartModel.from_pretrained(base, quantization=kind)
    model.backbone = add_lora(model.backbone, model.family, **LORA, **options)
    move(model)
    expected = model.eval().encode_document(mixed)
    model.save_pretrained(tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter" / "smart_config.json").read_text())
    assert saved["base"] == str(base) and saved["quantization"] == kind
    again = SmartModel.from_pretrained(tmp_path / "adapter", quantization=kind)
    torch.testing.assert_close(again.encode_document(mixed).packed, expected.packed, atol=1e-6, rtol=0)
    full = SmartModel.from_pretrained(tmp_path / "adapter")
    assert not quantised_names(full)
    assert (full.encode_document(mixed).pooled - expected.pooled).abs().max() < 3 * NEAR[kind]


def test_projection_on_a_quantised_backbone(base, tmp_path, mixed):
    model = SmartModel.from_pretrained(base, quantization="4bit")
    model.freeze_backbone()
    model.projection = TokenProjection(model.hidden_size, 16)
    model.projection.reset(0)
    model(model.family.featurize(mixed, "document")).packed.sum().backward()
    assert model.projection.linear.weight.grad.abs().max() > 0
    model.save_pretrained(tmp_path / "p")
    again = SmartModel.from_pretrained(tmp_path / "p", quantization="4bit")
    torch.testing.assert_close(again.encode_document(mixed).packed, model.encode_document(mixed).packed)
    report = export_model(tmp_path / "p", tmp_path / "export")
    assert report.parity.largest < 1e-5 and "4bit training" in json.loads(
        (tmp_path / "export" / "parity.json").read_text()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_export_merges_into_full_precision_and_says_what_that_changes(kind, base, tmp_path, mixed):
    model = SmartModel.from_pretrained(base, quantization=kind)
    model.backbone = add_lora(model.backbone, model.family, **LORA)
    move(model)
    model.save_pretrained(tmp_path / "adapter")
    report = export_model(tmp_path / "adapter", tmp_path / "export")
    assert report.parity.largest < 1e-5
    measured = json.loads((tmp_path / "export" / "parity.json").read_text())[f"{kind} training"]
    assert 1e-4 < max(measured.values()) < 3 * NEAR[kind]
    assert f"trained on a {kind} base" in (tmp_path / "export" / "README.md").read_text()
    unmerged = SmartModel.from_pretrained(tmp_path / "adapter").encode_document(mixed)
    exported = SmartModel.from_pretrained(tmp_path / "export")
    torch.testing.assert_close(exported.encode_document(mixed).packed, unmerged.packed, atol=1e-5, rtol=0)
    assert {value.dtype for value in load_file(tmp_path / "export" / "model.safetensors").values()} == {torch.float32}
    assert "quantization_config" not in json.loads((tmp_path / "export" / "config.json").read_text())


def test_export_where_the_library_is_missing_merges_all_the_same(base, tmp_path, monkeypatch):
    model = SmartModel.from_pretrained(base, quantization="4bit")
    model.backbone = add_lora(model.backbone, model.family, **LORA)
    model.save_pretrained(tmp_path / "adapter")
    monkeypatch.setattr("smart_train.export.exporter.is_installed", lambda: False)
    export_model(tmp_path / "adapter", tmp_path / "export")
    assert "4bit training" not in json.loads((tmp_path / "export" / "parity.json").read_text())


# What is refused ------------------------------------------------------------------------------------------------


def test_quantised_weights_themselves_are_not_saved(base, tmp_path):
    with pytest.raises(ModelError, match=f"a 4bit model cannot be saved; its full-precision weights are in {base}"):
        SmartModel.from_pretrained(base, quantization="4bit").save_pretrained(tmp_path / "m")


def test_missing_library_names_the_extra(base, monkeypatch):
    monkeypatch.setattr(quantization, "is_installed", lambda: False)
    with pytest.raises(
        ModelError, match=r"model.quantization 4bit: needs bitsandbytes; pip install 'smart_train\[quant"
    ):
        SmartModel.from_pretrained(base, quantization="4bit")


def test_unknown_name_lists_the_known(base):
    with pytest.raises(ModelError, match="model.quantization 'int3': choose 4bit or 8bit"):
        SmartModel.from_pretrained(base, quantization="int3")


def test_eight_bits_are_refused_where_integer_products_are_wrong(base, monkeypatch):
    monkeypatch.setattr(quantization, "cut_integer_products", lambda: "oneDNN cuts their sums")
    with pytest.raises(ModelError, match="8bit: its products of 8-bit integers are wrong here: oneDNN cuts their sums"):
        SmartModel.from_pretrained(base, quantization="8bit")
    assert SmartModel.from_pretrained(base, quantization="4bit").quantization == "4bit"


def test_weights_that_are_quantised_already_are_refused(base, tmp_path):
    from transformers import AutoModel

    config = BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=["visual"])
    AutoModel.from_pretrained(base, quantization_config=config).save_pretrained(tmp_path / "small")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "chat_template.jinja"):
        (tmp_path / "small" / name).write_bytes((base / name).read_bytes())
    with pytest.raises(ModelError, match="its weights are already quantised; name full-precision weights"):
        SmartModel.from_pretrained(tmp_path / "small")
