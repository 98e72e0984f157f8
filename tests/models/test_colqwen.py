"""ColQwen: prompts, the two layouts of its folders, its adapters, and what a model without a pooled vector refuses."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import ColQwen2Config, ColQwen2ForRetrieval, ColQwen2Processor

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError, ScoreError
from smart_train.models import FAMILIES, TokenProjection, detect_family
from smart_train.types import ModelInput
from tests.models import projected_folders
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
END = "<|endoftext|>"
WHY = ModelInput("why are they red")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders of colpali-engine's kind, by their backbone; nothing in them was written by smart_train."""
    root, made = tmp_path_factory.mktemp("colqwen"), {}
    for kind in ("qwen2_vl", "qwen2_5_vl"):
        bare = vision_folder(root / f"{kind}-bare", kind)
        SmartModel.from_config(bare, family="colqwen", init_std=0.05).save_pretrained(root / kind)
        (root / kind / "smart_config.json").unlink()
        made[kind] = root / kind
    return made


@pytest.fixture
def model(folders):
    return SmartModel.from_pretrained(folders["qwen2_vl"], device="cpu", prompts=SMALL_PAGES)


def transformers_folder(folder, model, rename=lambda name: name):
    """A folder of transformers' class with the weights of `model`, under the names that `rename` gives them."""
    theirs = ColQwen2ForRetrieval(ColQwen2Config(vlm_config=model.config)).eval()
    return projected_folders.transformers_folder(folder, model, theirs, rename=rename)


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"Query: why{END * 10}"),
        (ModelInput("why", instruction="Question"), "query", f"Question: why{END * 10}"),
        (ModelInput("why", instruction=""), "query", f"why{END * 10}"),
        (ModelInput("a text"), "document", "a text"),
        (ModelInput(), "document", END),
        (ModelInput(None, ("p",)), "document", f"<|im_start|>user\n{VISION}Describe the image.<|im_end|>{END}"),
        (ModelInput("red", ("p", "q")), "document", f"<|im_start|>user\n{VISION * 2}red<|im_end|>{END}"),
    ],
)
def test_prompts(model, item, role, expected):
    assert model.family.render(item, role) == expected


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl"])
def test_a_folder_is_known_by_its_class_and_keeps_every_token(folders, pages, kind):
    assert detect_family(kind, folders[kind]).name == "colqwen"
    model = SmartModel.from_pretrained(folders[kind], device="cpu", prompts=SMALL_PAGES)
    assert model.scoring == ScoringConfig(pooled_weight=0.0, query_tokens="all", document_tokens="all")
    features = model.family.featurize([WHY, ModelInput("red")], "query")
    assert torch.equal(features["token_mask"], features["attention_mask"].bool())
    assert not {"pooled_index", "pooled_mask"} & set(features)
    items = [ModelInput(None, (pages[0],)), ModelInput("red"), ModelInput(None, (pages[1], pages[2])), ModelInput()]
    together = model.encode_document(items, batch_size=4)
    assert together.pooled.shape == (4, 0) and together.packed.shape[1] == 128 and together.late_only
    for row, item in enumerate(items):
        torch.testing.assert_close(together[[row]].packed, model.encode_document(item).packed, atol=1e-6, rtol=0)
    assert together.truncate(16).packed.shape[1] == 16


def test_the_same_seed_draws_the_same_projection(folders):
    drawn = [SmartModel.from_config(folders["qwen2_vl"], family="colqwen", seed=seed) for seed in (1, 1, 2)]
    first, again, other = (model.backbone.custom_text_proj.weight for model in drawn)
    assert torch.equal(first, again) and not torch.equal(first, other)


OLDER = {
    "now": lambda name: name,
    "around the generation class": lambda name: name.replace("vlm.", "vlm.model.", 1),
    "before the parts were divided": lambda name: name.replace("vlm.language_model.", "vlm.model.", 1),
}


@pytest.mark.parametrize("names", OLDER)
def test_a_folder_of_transformers_class_is_the_same_model(model, pages, tmp_path, names):
    transformers_folder(tmp_path / "theirs", model, OLDER[names])
    read = SmartModel.from_pretrained(tmp_path / "theirs", device="cpu", prompts=SMALL_PAGES)
    page = ModelInput(None, (pages[0],))
    assert read.family.name == "colqwen"
    assert torch.equal(read.encode_query(WHY).packed, model.encode_query(WHY).packed)
    assert torch.equal(read.encode_document(page).packed, model.encode_document(page).packed)
    read.save_pretrained(tmp_path / "saved")  # in colpali-engine's layout
    again = SmartModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert torch.equal(again.encode_document(page).packed, model.encode_document(page).packed)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"] == ["ColQwen2"]


def test_tokens_and_scores_are_those_of_transformers_class(model, pages, tmp_path):
    """On the same prompt, and with the positions that the weights were trained with: from release 5 on, that class
    numbers image tokens like words unless it is given others."""
    theirs, family = transformers_folder(tmp_path / "theirs", model), model.family
    asked, shown = family.featurize([WHY], "query"), family.featurize([ModelInput(None, (pages[0],))], "document")
    read = {name: shown[name] for name in ("input_ids", "attention_mask", "image_grid_thw")}
    positions, _ = theirs.vlm.get_rope_index(**read, mm_token_type_ids=shown["mm_token_type_ids"])
    with torch.no_grad():
        query = theirs(input_ids=asked["input_ids"], attention_mask=asked["attention_mask"]).embeddings
        page = theirs(**read, pixel_values=shown["pixel_values"][None], position_ids=positions).embeddings
    ours = model.encode_query(WHY), model.encode_document(ModelInput(None, (pages[0],)))
    torch.testing.assert_close(ours[0].packed, query[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(ours[1].packed, page[0], atol=1e-6, rtol=0)
    expected = ColQwen2Processor.score_retrieval(None, list(query), list(page))
    found = model.similarity(*ours) * len(ours[0].packed)  # the mean over the query's tokens, and there the sum
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_an_adapter_over_the_base_changes_the_projection_too(folders, tmp_path):
    """As colpali-engine publishes them: names of the generation class of transformers before 4.52."""
    whole = SmartModel.from_pretrained(folders["qwen2_vl"], device="cpu")
    torch.manual_seed(0)
    modules = "(.*(model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
    config = LoraConfig(r=4, lora_alpha=8, target_modules=modules, init_lora_weights="gaussian")
    trained = get_peft_model(whole.backbone, config)
    with torch.no_grad():
        for name, value in trained.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    trained.peft_config["default"].base_model_name_or_path = str(folders["qwen2_vl"])
    trained.save_pretrained(tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    saved = load_file(weights)
    assert any("custom_text_proj" in name for name in saved)
    old = {name.replace("model.language_model.", "model.model."): value for name, value in saved.items()}
    save_file(old, weights, metadata={"format": "pt"})
    read = SmartModel.from_pretrained(tmp_path / "adapter", device="cpu")
    plain = SmartModel.from_pretrained(folders["qwen2_vl"], device="cpu")
    assert read.family.name == "colqwen" and not read.owns_backbone
    whole.backbone = trained.merge_and_unload()
    expected = whole.encode_query(WHY).packed
    torch.testing.assert_close(read.encode_query(WHY).packed, expected, atol=1e-6, rtol=0)
    assert not torch.allclose(plain.encode_query(WHY).packed, expected, atol=1e-3)


def test_a_folder_without_the_projection_is_refused(folders, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(folders["qwen2_vl"], folder)
    state = load_file(folder / "model.safetensors")
    left = {name: value for name, value in state.items() if name != "custom_text_proj.bias"}
    save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"no custom_text_proj\.bias or embedding_proj_layer\.bias, so it is not"):
        SmartModel.from_pretrained(folder, device="cpu")
    left["custom_text_proj.bias"] = torch.zeros(64)
    save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"bias of its projection is \[64\], but colqwen needs \[128\]"):
        SmartModel.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ({"pooled_weight": 1.0}, r"scoring\.pooled_weight 1: colqwen is late only.*set scoring\.pooled_weight to 0"),
        ({"layer": 1}, r"scoring\.layer 1: colqwen makes its tokens of the last layer, by custom_text_proj; leave it"),
    ],
)
def test_scoring_that_it_has_not(folders, scoring, message):
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(folders["qwen2_vl"], device="cpu", scoring=scoring)


def test_what_needs_a_pooled_vector_is_refused(model):
    query = model.encode_query(WHY)
    with pytest.raises(ScoreError, match="no pooled vectors, because the model is late only; score by tokens alone"):
        model.similarity(query, query, scoring=ScoringConfig())
    with pytest.raises(ModelError, match="a token projection: colqwen makes its tokens by a projection of its own"):
        model.add_projection(TokenProjection(model.hidden_size, 8))
    with pytest.raises(ModelError, match="colqwen reads text, image, but an input holds video"):
        model.family.render(ModelInput(None, (), "walk.mp4"), "document")
    assert all(not family.late_only or family.default_scoring.pooled_weight == 0 for family in FAMILIES.values())
