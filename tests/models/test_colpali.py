"""ColPali: prompts, the layouts of its folders, its adapters, and what a backbone of another line than Qwen's needs."""

import json
import pickle
import re
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoTokenizer, ColPaliConfig, ColPaliForRetrieval, ColPaliProcessor

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import TokenProjection, detect_family
from smart_train.models.slicing import select_rows
from smart_train.types import ModelInput
from tests.models import projected_folders
from tests.models.edited_folders import edited
from tests.models.paligemma_folders import SIDE, colpali_folder

WHY = ModelInput("why are they red")
PADS = "<pad>" * 10
DESCRIBE = "<bos>Describe the image.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder of colpali-engine's kind; nothing in it was written by smart_train."""
    root = tmp_path_factory.mktemp("colpali")
    SmartModel.from_config(colpali_folder(root / "bare"), init_std=0.2).save_pretrained(root / "whole")
    (root / "whole" / "smart_config.json").unlink()
    return root / "whole"


@pytest.fixture
def model(folder):
    return SmartModel.from_pretrained(folder, device="cpu")


@pytest.fixture
def items(pages):
    return [ModelInput("red"), ModelInput(None, (pages[0],)), ModelInput("two", (pages[1], pages[2])), ModelInput()]


def transformers_folder(folder, model, rename=lambda name: name):
    """A folder of transformers' class with the weights of `model`, under the names that `rename` gives them."""
    theirs = ColPaliForRetrieval(ColPaliConfig(vlm_config=model.config)).eval()
    return projected_folders.transformers_folder(folder, model, theirs, rename=rename, names=in_parts)


def in_parts(theirs):
    """The weights of transformers' class, each part's own names behind the part's."""
    parts = ("vlm", "embedding_proj_layer")
    return {f"{part}.{name}": value for part in parts for name, value in getattr(theirs, part).state_dict().items()}


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"<bos>Question: why{PADS}\n"),
        (ModelInput("why", instruction="Query"), "query", f"<bos>Query: why{PADS}\n"),
        (ModelInput("why", instruction=""), "query", f"<bos>why{PADS}\n"),
        (ModelInput(), "query", f"<bos>Question: {PADS}\n"),
        (ModelInput("a text"), "document", "<bos>a text"),
        (ModelInput(), "document", "<bos>"),
        (ModelInput(None, ("p",)), "document", f"<image>{DESCRIBE}"),
        (ModelInput("red", ("p", "q")), "document", "<image><image><bos>red\n"),
        (ModelInput("an <image> and a <pad>"), "document", "<bos>an < image> and a < pad>"),
    ],
)
def test_prompts(model, item, role, expected):
    assert model.family.render(item, role) == expected


@pytest.mark.parametrize("name", ["colpali", "colpali_v1_2"])
def test_a_batch_is_its_items_one_by_one_and_keeps_every_token(folder, items, name):
    model = SmartModel.from_pretrained(folder, device="cpu", family=name)
    assert model.scoring == ScoringConfig(pooled_weight=0.0, query_tokens="all", document_tokens="all")
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        features = model.family.featurize(items, role)
        assert torch.equal(features["token_mask"], features["attention_mask"].bool())
        assert not {"pooled_index", "pooled_mask"} & set(features)
        together = encode(items, batch_size=4)
        assert together.pooled.shape == (4, 0) and together.packed.shape[1] == 128 and together.late_only
        for row, item in enumerate(items):
            torch.testing.assert_close(together[[row]].packed, encode(item).packed, atol=1e-6, rtol=0)
            sizes = [image.size for image in item.images]
            assert model.family.token_count(item, role, sizes) == features["attention_mask"][row].sum()
            seen = torch.isin(features["input_ids"][row], model.family.visual_ids).sum()
            assert model.family.visual_tokens(sizes) == seen == 9 * len(item.images)


def test_rows_of_a_batch_can_be_taken_apart(model, items):
    family = model.family
    whole = family.featurize(items, "document")
    for rows in ([0], [2, 1], [3, 2]):
        found = select_rows(whole, rows, family.visual_fields)
        expected = family.featurize([items[row] for row in rows], "document")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    again = pickle.loads(pickle.dumps(family)).featurize(items, "document")
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_padding_filled_with_anything_changes_nothing(model, items):
    features = model.family.featurize(items, "document")
    padding = features["attention_mask"] == 0
    noisy = {**features, "input_ids": features["input_ids"].masked_fill(padding, 7)}
    assert padding.any()
    with torch.no_grad():
        torch.testing.assert_close(model(noisy).packed, model(features).packed, atol=1e-6, rtol=0)


def test_tokens_of_a_page_lie_on_it_row_by_row(model, items):
    boxes = model.family.image_boxes(model.family.featurize(items, "document"))
    assert len(boxes) == 3 and all(box.shape == (9, 4) for box in boxes)
    torch.testing.assert_close(boxes[0][5], torch.tensor([2 / 3, 1 / 3, 1.0, 2 / 3]))


def test_a_fitted_image_gives_the_same_features(model, pages):
    fitted = model.family.fit_image(pages[1])
    assert fitted.size == (SIDE, SIDE)
    whole, small = (model.family.featurize([ModelInput(None, (page,))], "document") for page in (pages[1], fitted))
    # Rounded to whole levels of 256 on the way, and a level is 2 / 255.
    torch.testing.assert_close(small["pixel_values"], whole["pixel_values"], atol=2 / 255, rtol=0)


@pytest.mark.parametrize(("name", "seen"), [("colpali", True), ("colpali_v1_2", False)])
def test_whether_a_query_sees_what_comes_later(folder, pages, name, seen):
    model = SmartModel.from_pretrained(folder, device="cpu", family=name)
    one, other = (model.encode_query(ModelInput(text)).packed for text in ("why red", "why blue"))
    assert torch.equal(one[:3], other[:3]) is not seen
    page, red = (model.encode_document(ModelInput(text, (pages[0],))).packed for text in (None, "red"))
    assert not torch.allclose(page[:9], red[:9], atol=1e-4)  # of a page every token sees the whole prompt


OLDER = {
    "now": lambda name: name,
    "4.52": lambda name: re.sub(r"^vlm\.", "vlm.model.", name).replace("vision_tower.", "vision_tower.vision_model."),
    "4.48": lambda name: name.replace("vlm.language_model.", "vlm.language_model.model.").replace(
        "vision_tower.", "vision_tower.vision_model."
    ),
}


@pytest.mark.parametrize("names", OLDER)
def test_a_folder_of_transformers_class_is_the_same_model(model, pages, tmp_path, names):
    transformers_folder(tmp_path / "theirs", model, OLDER[names])
    read = SmartModel.from_pretrained(tmp_path / "theirs", device="cpu")
    page = ModelInput(None, (pages[0],))
    assert read.family.name == "colpali"
    assert torch.equal(read.encode_query(WHY).packed, model.encode_query(WHY).packed)
    assert torch.equal(read.encode_document(page).packed, model.encode_document(page).packed)
    read.save_pretrained(tmp_path / "saved")  # in colpali-engine's layout
    again = SmartModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert torch.equal(again.encode_document(page).packed, model.encode_document(page).packed)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"] == ["ColPali"]


def test_prompts_tokens_and_scores_are_those_of_transformers(model, tmp_path):
    theirs = transformers_folder(tmp_path / "theirs", model)
    images = AutoImageProcessor.from_pretrained(tmp_path / "theirs")
    images.image_seq_length = 9
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "theirs")
    tokenizer.image_token, tokenizer.image_token_id = "<image>", model.config.image_token_id
    processor = ColPaliProcessor(images, tokenizer)
    page = Image.new("RGB", (96, 60), "red")
    asked, shown = processor.process_queries(text=[WHY.text]), processor.process_images(images=[page])
    shown.pop("labels")
    assert asked["input_ids"].tolist() == model.family.featurize([WHY], "query")["input_ids"].tolist()
    ours = model.family.featurize([ModelInput(None, (page,))], "document")
    assert shown["input_ids"].tolist() == ours["input_ids"].tolist()
    torch.testing.assert_close(shown["pixel_values"], ours["pixel_values"], atol=1e-6, rtol=0)
    with torch.no_grad():
        query, document = theirs(**asked).embeddings, theirs(**shown).embeddings
    found = model.encode_query(WHY), model.encode_document(ModelInput(None, (page,)))
    torch.testing.assert_close(found[0].packed, query[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(found[1].packed, document[0], atol=1e-6, rtol=0)
    score = model.similarity(*found) * len(found[0].packed)  # the mean over the query's tokens, and there the sum
    torch.testing.assert_close(score, processor.score_retrieval(list(query), list(document)), atol=1e-5, rtol=0)


def test_an_adapter_over_the_base_changes_the_projection_too(folder, tmp_path):
    """As colpali-engine publishes them: its pattern of modules, names of transformers before 4.52."""
    whole = SmartModel.from_pretrained(folder, device="cpu")
    modules = (
        "(.*(language_model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
    )
    torch.manual_seed(0)
    trained = get_peft_model(
        whole.backbone, LoraConfig(r=4, lora_alpha=4, target_modules=modules, init_lora_weights="gaussian")
    )
    with torch.no_grad():
        for name, value in trained.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    trained.peft_config["default"].base_model_name_or_path = str(folder)
    trained.save_pretrained(tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    saved = load_file(weights)
    assert any("custom_text_proj" in name for name in saved)
    old = {name.replace("model.language_model.", "model.model.language_model.model."): saved[name] for name in saved}
    save_file(old, weights, metadata={"format": "pt"})
    whole.backbone = trained.merge_and_unload()
    expected = whole.encode_query(WHY).packed
    read = SmartModel.from_pretrained(tmp_path / "adapter", device="cpu")
    assert read.family.name == "colpali" and not read.owns_backbone
    torch.testing.assert_close(read.encode_query(WHY).packed, expected, atol=1e-6, rtol=0)
    older = SmartModel.from_pretrained(tmp_path / "adapter", device="cpu", family="colpali_v1_2")
    assert not torch.allclose(older.encode_query(WHY).packed, expected, atol=1e-3)
    plain = SmartModel.from_pretrained(folder, device="cpu")
    assert not torch.allclose(plain.encode_query(WHY).packed, expected, atol=1e-3)


def test_a_long_text_is_cut_and_the_prompt_kept(folder, pages):
    model = SmartModel.from_pretrained(folder, device="cpu", prompts={"max_length": 32})
    family, long = model.family, "the cat sat on the mat and " * 20
    short = model.encode_query([ModelInput(long), WHY])
    assert short.packed.shape[0] <= 32 + 32
    ids = family.featurize([ModelInput(long), WHY], "query")["input_ids"][0]
    assert (
        family.tokenizer.decode(ids).startswith("<bos>Question: the cat")
        and ids.tolist().count(family.tokenizer.pad_token_id) >= 10
    )
    with pytest.raises(
        ModelError, match="an input needs 44 tokens, of which only 0 are text; .*: raise model.max_length$"
    ):
        family.featurize([ModelInput(None, (pages[0],) * 4)], "document")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "config.json",
            lambda values: values["text_config"].update(model_type="gemma2"),
            "text_config.model_type 'gemma2': colpali reads PaliGemma's first generation, gemma",
        ),
        (
            "config.json",
            lambda values: values.update(architectures=["PaliGemmaForConditionalGeneration"]),
            "model_type 'paligemma' is used by colpali, colpali_v1_2, and the folder's files do not show",
        ),
        (
            "config.json",
            lambda values: values.update(image_token_index=5),
            "its tokenizer has id 2048 for <image>, but config.json says 5; put back the tokenizer",
        ),
        (
            "preprocessor_config.json",
            lambda values: values.update(size={"height": 224, "width": 224}),
            "makes images of .*224.*, but the model reads 42 x 42 pixels; put back the preprocessor_config.json",
        ),
        (
            "tokenizer_config.json",
            lambda values: values.pop("pad_token"),
            "its tokenizer has no pad_token, which colpali puts into prompts",
        ),
    ],
)
def test_folders_that_do_not_fit_are_refused(folder, tmp_path, pages, name, change, message):
    with pytest.raises(ModelError, match=message):
        model = SmartModel.from_pretrained(edited(folder, tmp_path / "other", name, change), device="cpu")
        model.encode_document(ModelInput(None, (pages[0],)))


def test_a_folder_without_the_projection_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "bare")
    state = load_file(folder / "model.safetensors")
    del state["custom_text_proj.weight"]
    save_file(state, tmp_path / "bare" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="so it is not a ColPali model. .* such as vidore/colpaligemma-3b-pt-448-base"):
        SmartModel.from_pretrained(tmp_path / "bare", device="cpu")


def test_what_it_does_not_have_is_refused(folder, model):
    assert detect_family("paligemma", folder).name == "colpali"
    with pytest.raises(ModelError, match=r"scoring\.pooled_weight 1: colpali is late only"):
        SmartModel.from_pretrained(folder, device="cpu", scoring={"pooled_weight": 1.0})
    with pytest.raises(ModelError, match=r"model\.max_pixels 9000: colpali has no bounds on an image's area"):
        SmartModel.from_pretrained(folder, device="cpu", prompts={"max_pixels": 9000})
    with pytest.raises(ModelError, match="a token projection: colpali makes its tokens by a projection of its own"):
        model.add_projection(TokenProjection(model.hidden_size, 8))
    with pytest.raises(ModelError, match="colpali reads text, image, but an input holds video"):
        model.family.render(ModelInput(None, (), "walk.mp4"), "document")
