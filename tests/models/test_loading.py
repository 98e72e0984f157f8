"""Folders: what is saved loads again the same, and what does not fit is refused with its name."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForImageTextToText, PreTrainedModel

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import PromptConfig, TokenProjection
from smart_train.models.loading import load_weights
from smart_train.models.peft import add_lora
from tests.models.conftest import TINY, make_model
from tests.models.text_folders import encoder_folder

LORA = {"r": 4, "alpha": 8, "dropout": 0.0}


@pytest.fixture
def base(tmp_path):
    make_model().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def adapted(base):
    """A base model from disk with a LoRA that does something."""
    model = SmartModel.from_pretrained(base)
    model.backbone = add_lora(model.backbone, model.family, **LORA)
    with torch.no_grad():
        for name, parameter in model.backbone.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model


def assert_same(first, second, inputs, atol=0.0):
    ours, theirs = first.encode_document(inputs), second.encode_document(inputs)
    torch.testing.assert_close(ours.pooled, theirs.pooled, atol=atol, rtol=0)
    torch.testing.assert_close(ours.packed, theirs.packed, atol=atol, rtol=0)


def test_full_weights_round_trip(base, mixed):
    assert_same(make_model(), SmartModel.from_pretrained(base), mixed)


def test_saved_folder_loads_in_the_class_its_config_names(base):
    _, report = AutoModelForImageTextToText.from_pretrained(base, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_threads_load_one_after_the_other(base, mixed, monkeypatch):
    """transformers changes the whole process while it loads: two at a time would leave tying switched off for good."""
    tie_weights, load, at_a_time, most = PreTrainedModel.tie_weights, AutoModel.from_pretrained, [], []

    def slow(*args, **options):
        at_a_time.append(None)
        most.append(len(at_a_time))
        time.sleep(0.05)  # long enough for the other threads to come here too
        try:
            return load(*args, **options)
        finally:
            at_a_time.pop()

    monkeypatch.setattr(AutoModel, "from_pretrained", slow)
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(SmartModel.from_pretrained, [base] * 4))
    assert most == [1] * 4 and PreTrainedModel.tie_weights is tie_weights
    assert_same(loaded[0], loaded[3], mixed)


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_that_is_tied_to_the_embeddings_follows_them_through_training(base, tmp_path, tied):
    """The checkpoint stores both, as many published ones do; an untied head stays what it was."""
    config, weights = base / "config.json", base / "model.safetensors"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": tied}))
    state = load_file(weights)
    embeddings = "model.language_model.embed_tokens.weight"
    head = state[embeddings].clone() if tied else torch.ones_like(state[embeddings])
    save_file({**state, "lm_head.weight": head}, weights, {"format": "pt"})
    model = SmartModel.from_pretrained(base)
    with torch.no_grad():
        model.backbone.get_input_embeddings().weight.add_(1.0)
    model.save_pretrained(tmp_path / "trained")
    assert ("lm_head.weight" in load_file(tmp_path / "trained" / "model.safetensors")) != tied
    generating = AutoModelForImageTextToText.from_pretrained(tmp_path / "trained")
    trained = generating.get_input_embeddings().weight
    torch.testing.assert_close(trained, state[embeddings] + 1.0)
    torch.testing.assert_close(generating.get_output_embeddings().weight, trained if tied else head)


def test_scoring_and_prompts_travel_with_the_folder(tmp_path):
    scoring = ScoringConfig(pooled_weight=0.5, layer=1, query_tokens="text")
    prompts = PromptConfig(query_instruction="Find it.", max_pixels=9216)
    make_model(scoring=scoring, prompts=prompts).save_pretrained(tmp_path / "m")
    loaded = SmartModel.from_pretrained(tmp_path / "m")
    assert loaded.scoring == scoring
    assert loaded.family.prompts == prompts
    size = json.loads((tmp_path / "m" / "preprocessor_config.json").read_text())["size"]
    assert size["longest_edge"] == 9216


def test_adapter_round_trip_names_its_base(adapted, base, tmp_path, mixed):
    adapted.eval().save_pretrained(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    loaded = SmartModel.from_pretrained(tmp_path / "adapter")
    assert isinstance(loaded.backbone, PeftModel)
    assert_same(adapted, loaded, mixed)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("base/model.safetensors", None, None, "base/model.safetensors: cannot be read .*metadata"),
        ("adapter/adapter_model.safetensors", None, None, "adapter_model.safetensors: cannot be read"),
        ("adapter/smart_config.json", None, None, "smart_config.json: not valid JSON"),
        ("adapter/smart_config.json", '"family"', '"kin"', "not a valid file of smart_train .KeyError: 'family'"),
        ("adapter/smart_config.json", '"min_pixels"', '"least"', "not a valid file of smart_train .TypeError"),
        (
            "adapter/smart_config.json",
            '"keep"',
            '"kept"',
            "not a valid file of smart_train .ScoreError: scoring.pooled_t",
        ),
        ("adapter/smart_config.json", '"format": 1', '"format": 9', "format 9; this version reads format 1"),
    ],
)
def test_a_damaged_file_is_named(adapted, base, tmp_path, file, old, new, said):
    """Half of the file is gone, or something in it was changed by hand."""
    adapted.eval().save_pretrained(tmp_path / "adapter")
    whole = (tmp_path / file).read_bytes()
    changed = whole[: len(whole) // 2] if old is None else whole.replace(old.encode(), new.encode())
    (tmp_path / file).write_bytes(changed)
    with pytest.raises(ModelError, match=said):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_a_damaged_peft_configuration_is_named(adapted, tmp_path):
    adapted.eval().save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "smart_config.json").unlink()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="adapter_config.json: not valid JSON"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_plain_peft_adapter_without_our_file_loads(adapted, tmp_path, mixed):
    adapted.eval().save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "smart_config.json").unlink()
    assert_same(adapted, SmartModel.from_pretrained(tmp_path / "adapter"), mixed)


def test_run_folder_that_moved_still_finds_its_base(adapted, tmp_path, mixed):
    adapted.eval().save_pretrained(tmp_path / "final")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    expected = adapted.encode_document(mixed)
    for name in ("base", "final"):
        shutil.move(tmp_path / name, moved / name)
    torch.testing.assert_close(
        SmartModel.from_pretrained(moved / "final").encode_document(mixed).packed, expected.packed
    )


def test_merge_equals_adapter(adapted, mixed):
    adapted.eval()
    before = adapted.encode_document(mixed)
    adapted.backbone = adapted.backbone.merge_and_unload(safe_merge=True)
    torch.testing.assert_close(adapted.encode_document(mixed).packed, before.packed, atol=1e-5, rtol=0)


def test_lora_leaves_the_vision_tower_alone(adapted):
    trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert trained and all("language_model" in name and "lora_" in name for name in trained)
    # Every projection of both decoder layers: q k v o gate up down, A and B each.
    assert len(trained) == 2 * 7 * 2


def test_lora_that_reaches_vision_is_refused(tiny):
    with pytest.raises(ModelError, match="would change the frozen vision tower: visual"):
        add_lora(tiny.backbone, tiny.family, **LORA, target_modules=r".*(q_proj|qkv)")


def test_lora_that_matches_nothing_is_refused(tiny):
    with pytest.raises(ModelError, match="lora.target_modules 'nothing_here'"):
        add_lora(tiny.backbone, tiny.family, **LORA, target_modules="nothing_here")
    with pytest.raises(ModelError, match="lora.target_modules .*nothing to repeat"):
        add_lora(tiny.backbone, tiny.family, **LORA, target_modules="*_proj")


def test_adapter_of_another_width_is_refused(adapted, tmp_path):
    adapted.save_pretrained(tmp_path / "adapter")
    wide = {"text_config": {"hidden_size": 64}, "vision_config": {"out_hidden_size": 64}}
    make_model(overrides=wide).save_pretrained(tmp_path / "other")
    for name in ("adapter_config.json", "smart_config.json"):
        path = tmp_path / "adapter" / name
        values = json.loads(path.read_text().replace(str(tmp_path / "base"), str(tmp_path / "other")))
        path.write_text(json.dumps({key: values[key] for key in values if key not in ("base_beside", "base_weights")}))
    with pytest.raises(ModelError, match="trained on another base"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def renamed_adapter(adapted, folder, name):
    adapted.eval().save_pretrained(folder)
    weights = folder / "adapter_model.safetensors"
    state = {key.replace("language_model.", name): value for key, value in load_file(weights).items()}
    save_file(state, weights, metadata={"format": "pt"})


def test_adapter_trained_on_the_generation_class_loads_the_same(adapted, tmp_path, mixed):
    renamed_adapter(adapted, tmp_path / "adapter", "model.language_model.")
    assert_same(adapted, SmartModel.from_pretrained(tmp_path / "adapter"), mixed)


def test_adapter_whose_keys_match_nothing_is_refused_not_ignored(adapted, tmp_path):
    renamed_adapter(adapted, tmp_path / "adapter", "text_model.")
    with pytest.raises(ModelError, match="trained on another base or class: Qwen3VLModel has no place for"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_adapter_that_holds_more_than_lora_is_refused_under_translated_names_too(adapted, tmp_path):
    renamed_adapter(adapted, tmp_path / "adapter", "model.language_model.")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    extra = {"base_model.model.gate.weight": torch.zeros(2, 2)}
    save_file({**load_file(weights), **extra}, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"base_model\.model\.gate|'gate'"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_adapter_trained_as_another_family_is_refused(adapted, tmp_path):
    adapted.save_pretrained(tmp_path / "adapter")
    message = "was trained as family 'qwen3_vl_embedding'.*model.family 'lamra_qwen3_vl' would give it prompts"
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(tmp_path / "adapter", family="lamra_qwen3_vl")
    SmartModel.from_pretrained(tmp_path / "adapter", family="qwen3_vl_embedding")


def test_pickled_adapter_weights_are_not_read(adapted, tmp_path):
    adapted.save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"no adapter_model.safetensors .* \(adapter_model.bin\) are not read"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_missing_weight_is_refused(base):
    state = load_file(base / "model.safetensors")
    dropped = next(name for name in state if name.endswith("q_proj.weight"))
    save_file(
        {name: value for name, value in state.items() if name != dropped}, base / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match="1 missing weight.*q_proj.weight"):
        SmartModel.from_pretrained(base)


def test_unexpected_weight_is_refused(base):
    state = load_file(base / "model.safetensors")
    save_file({**state, "model.language_model.extra": torch.ones(2)}, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="1 unexpected weight"):
        SmartModel.from_pretrained(base)


def test_projection_round_trip_on_a_frozen_backbone(base, tmp_path, mixed):
    model = SmartModel.from_pretrained(base)
    model.freeze_backbone()
    model.projection = TokenProjection(96, 16)
    model.projection.reset(3)
    model.save_pretrained(tmp_path / "p")
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "projection.safetensors",
        "projection_config.json",
        "smart_config.json",
    ]
    loaded = SmartModel.from_pretrained(tmp_path / "p")
    assert loaded.encode_document("x").packed.shape[1] == 16
    assert_same(model, loaded, mixed)


def test_projection_wider_than_the_backbone_is_refused():
    with pytest.raises(ModelError, match="projection.dim 128 must lie between 1 and the backbone's hidden size 96"):
        TokenProjection(96, 128)


def test_projection_of_another_backbone_is_refused(base, tmp_path):
    (tmp_path / "p").mkdir()
    TokenProjection(64, 8).save(tmp_path / "p")
    with pytest.raises(ModelError, match=f"{tmp_path}/p: this projection was trained on hidden size 64, the .* has 96"):
        SmartModel.from_pretrained(base, projection=tmp_path / "p")


def test_a_checkpoint_of_another_projection_is_refused(base, tmp_path):
    for name, dim in (("narrow", 8), ("wide", 16)):
        (tmp_path / name).mkdir()
        TokenProjection(96, dim).save(tmp_path / name)
    model = SmartModel.from_pretrained(base, projection=tmp_path / "narrow")
    model.freeze_backbone()
    with pytest.raises(ModelError, match=f"{tmp_path}/wide: its projection is .*'dim': 16.*, the model's .*'dim': 8"):
        load_weights(model, tmp_path / "wide")


def test_frozen_backbone_builds_no_graph(base, mixed):
    model = SmartModel.from_pretrained(base)
    model.freeze_backbone()
    model.projection = TokenProjection(96, 16)
    out = model(model.family.featurize(mixed, "document"))
    assert out.packed.requires_grad and not out.pooled.requires_grad


def test_load_weights_in_place(adapted, base, tmp_path, mixed):
    adapted.eval().save_pretrained(tmp_path / "adapter")
    fresh = SmartModel.from_pretrained(base)
    fresh.backbone = add_lora(fresh.backbone, fresh.family, **LORA)
    load_weights(fresh.eval(), tmp_path / "adapter")
    assert_same(adapted, fresh, mixed)


def test_wrong_path_says_where_it_looked():
    with pytest.raises(ModelError, match="./nowhere: no such folder"):
        SmartModel.from_pretrained("./nowhere")


@pytest.mark.parametrize("device", ["gpu", 1.5])
def test_a_device_that_torch_does_not_know_is_named(base, device):
    with pytest.raises(ModelError, match=f"device .?{device}.?: not a device of torch; choose cpu, cuda, or cuda:0"):
        SmartModel.from_pretrained(base, device=device)


def test_the_spread_of_drawn_weights_may_be_a_whole_number(tmp_path):
    model = SmartModel.from_config(encoder_folder(tmp_path / "base"), init_std=1)
    assert 0.9 < float(model.backbone.get_input_embeddings().weight.std()) < 1.1


def test_hub_name_offline_says_so():
    with pytest.raises(
        ModelError, match="somebody/some-model: not a local folder, and it could not be fetched from the Hub"
    ):
        SmartModel.from_pretrained("somebody/some-model")


def test_unknown_family_lists_the_known():
    with pytest.raises(ModelError, match="'qwen9' is unknown; known families: .*qwen3_vl_embedding"):
        SmartModel.from_config(TINY, family="qwen9")


def test_unserved_model_type_lists_what_is_served(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ModelError, match="no family is chosen automatically for model_type 'gpt2'; known families"):
        SmartModel.from_config(tmp_path)


def test_override_of_an_unknown_key_names_the_nearest():
    with pytest.raises(ModelError, match="text_config.hidden_sise: .*did you mean hidden_size"):
        make_model(overrides={"text_config": {"hidden_sise": 64}})


def test_missing_chat_template_is_named(base):
    (base / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template; the folder needs chat_template.jinja"):
        SmartModel.from_pretrained(base).encode_document("x")


def test_missing_tokenizer_is_named(base):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    with pytest.raises(ModelError, match="no tokenizer; the folder needs tokenizer.json and"):
        SmartModel.from_pretrained(base).encode_document("x")
