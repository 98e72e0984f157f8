"""ColIdefics3 (ColSmol): prompts, tiles, its adapters, and folders that do not fit."""

import json
import pickle
import random
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models.slicing import append_rows, select_rows
from smart_train.types import ModelInput
from tests.models.edited_folders import edited
from tests.models.idefics3_folders import LONGEST, TILE, colidefics3_folder

WHY = ModelInput("why are they red")
ENDS = "<end_of_utterance>" * 10
USER = "<|im_start|>User: "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder of colpali-engine's kind; nothing in it was written by smart_train."""
    root = tmp_path_factory.mktemp("colidefics3")
    SmartModel.from_config(colidefics3_folder(root / "bare"), init_std=0.2).save_pretrained(root / "whole")
    (root / "whole" / "smart_config.json").unlink()
    return root / "whole"


@pytest.fixture(scope="module")
def model(folder):
    return SmartModel.from_pretrained(folder, device="cpu")


@pytest.fixture
def items(pages):
    wide = pages[1].resize((160, 30))
    return [ModelInput("red"), ModelInput(None, (pages[0],)), ModelInput("two", (wide, pages[2])), ModelInput()]


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"Query: why{ENDS}\n"),
        (ModelInput("why", instruction="Question"), "query", f"Question: why{ENDS}\n"),
        (ModelInput("why", instruction=""), "query", f"why{ENDS}\n"),
        (ModelInput(), "query", f"Query: {ENDS}\n"),
        (ModelInput("a text"), "document", "a text"),
        (ModelInput(), "document", "<end_of_utterance>"),
        (ModelInput(None, ("p",)), "document", f"{USER}Describe the image.<image><end_of_utterance>"),
        (ModelInput("red", ("p", "q")), "document", f"{USER}red<image><image><end_of_utterance>"),
        (ModelInput("an <image> of <row_1_col_1>"), "document", "an < image> of < row_1_col_1>"),
    ],
)
def test_prompts(model, item, role, expected):
    assert model.family.render(item, role) == expected


def test_the_text_around_tiles_is_that_of_transformers_processor(model):
    tile = "<image>" * 4
    middle = "".join(
        "".join(f"<fake_token_around_image><row_{row}_col_{column}>{tile}" for column in (1, 2, 3, 4)) + "\n"
        for row in (1, 2)
    )
    whole = f"<fake_token_around_image><global-img>{tile}<fake_token_around_image>"
    assert model.family.image_text((LONGEST, 2 * TILE)) == f"{middle}\n{whole}"
    with_one = SmartModel.from_config(model.family.folder).family
    with_one.image_processor.do_image_splitting = False
    assert with_one.image_text((LONGEST, 2 * TILE)) == whole
    features = with_one.featurize([ModelInput(None, (Image.new("RGB", (LONGEST, 2 * TILE)),))], "document")
    assert features["image_tiles"].tolist() == [[1]] and features["tile_rows"].tolist() == [0]
    assert len(with_one.image_boxes(features)[0]) == 4


@pytest.mark.parametrize("longest", [LONGEST, 100, 130])
def test_tiles_are_counted_as_the_processor_cuts_them(model, longest):
    family, draw = SmartModel.from_config(model.family.folder).family, random.Random(0)
    family.image_processor.size = {"longest_edge": longest}
    for most in ((300, 300), (4000, 12), (12, 4000)) * 15:
        size = tuple(draw.randint(1, side) for side in most)
        cut = family.image_processor([Image.new("RGB", size)], return_row_col_info=True, return_tensors="pt")
        assert family.tiles(size) == (cut["rows"][0][0], cut["cols"][0][0]), size


def test_a_batch_is_its_items_one_by_one_and_keeps_every_token(model, items):
    assert model.family.name == "colidefics3"
    assert model.scoring == ScoringConfig(pooled_weight=0.0, query_tokens="all", document_tokens="all")
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        features = model.family.featurize(items, role)
        assert torch.equal(features["token_mask"], features["attention_mask"].bool())
        together = encode(items, batch_size=4)
        assert together.pooled.shape == (4, 0) and together.packed.shape[1] == 128 and together.late_only
        for row, item in enumerate(items):
            torch.testing.assert_close(together[[row]].packed, encode(item).packed, atol=1e-6, rtol=0)
            sizes = [image.size for image in item.images]
            assert model.family.token_count(item, role, sizes) == features["attention_mask"][row].sum()
            visual = torch.isin(features["input_ids"][row], model.family.visual_ids).sum()
            assert model.family.visual_tokens(sizes) == visual


def test_rows_of_a_batch_can_be_taken_apart_and_joined(model, items):
    family = model.family
    whole = family.featurize(items, "document")
    for rows in ([0], [2, 1], [3, 2]):
        part = select_rows(whole, rows, family.visual_fields)
        expected = family.featurize([items[row] for row in rows], "document")
        assert part.keys() == expected.keys()
        assert all(torch.equal(part[name], value) for name, value in expected.items())
    halves = (family.featurize(items[:2], "document"), family.featurize(items[2:], "document"))
    with torch.no_grad():
        joined = model(append_rows(*halves, family.visual_fields)).packed
        torch.testing.assert_close(joined, model(whole).packed, atol=1e-6, rtol=0)
    again = pickle.loads(pickle.dumps(family)).featurize(items, "document")
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_tokens_of_a_page_lie_on_their_tiles_and_then_on_the_whole(model):
    page = ModelInput(None, (Image.new("RGB", (LONGEST, 2 * TILE)),))
    (boxes,) = model.family.image_boxes(model.family.featurize([page], "document"))
    assert boxes.shape == (9 * 4, 4)
    torch.testing.assert_close(boxes[0], torch.tensor([0, 0, 1 / 8, 1 / 4]))
    torch.testing.assert_close(boxes[4 * 4 + 2], torch.tensor([0, 3 / 4, 1 / 8, 1]))  # the first tile of the second row
    torch.testing.assert_close(boxes[-1], torch.tensor([0.5, 0.5, 1.0, 1.0]))
    assert model.family.image_boxes(model.family.featurize([WHY], "document")) == []
    assert model.family.patches(model.family.featurize([page], "document")) == 9 * 16


def test_a_fitted_image_gives_the_same_features(model, items):
    for item in items[1:3]:
        for image in item.images:
            fitted = model.family.fit_image(image)
            assert max(fitted.size) == LONGEST
            whole, small = (model.family.featurize([ModelInput(None, (page,))], "document") for page in (image, fitted))
            assert all(torch.equal(small[name], value) for name, value in whole.items())


def test_an_adapter_over_the_base_is_read_with_the_names_it_was_trained_with(folder, tmp_path, pages):
    """As colpali-engine publishes them: its pattern, part of which matches nothing, as the projection is `linear`."""
    whole = SmartModel.from_pretrained(folder, device="cpu")
    modules = "(.*(text_model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
    torch.manual_seed(0)
    trained = get_peft_model(whole.backbone, LoraConfig(r=4, lora_alpha=4, target_modules=modules))
    with torch.no_grad():
        for name, value in trained.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    trained.peft_config["default"].base_model_name_or_path = str(folder)
    trained.save_pretrained(tmp_path / "adapter")
    as_published(tmp_path / "adapter")
    whole.backbone = trained.merge_and_unload()
    page = ModelInput(None, (pages[0],))
    read = SmartModel.from_pretrained(tmp_path / "adapter", device="cpu")
    assert read.family.name == "colidefics3" and not read.owns_backbone
    torch.testing.assert_close(read.encode_document(page).packed, whole.encode_document(page).packed, atol=1e-6, rtol=0)
    plain = SmartModel.from_pretrained(folder, device="cpu").encode_document(page).packed
    assert not torch.allclose(plain, read.encode_document(page).packed, atol=1e-3)


def as_published(adapter):
    """Gives the files of `adapter` the names that modules have in colpali-engine's class."""
    weights = adapter / "adapter_model.safetensors"
    state = load_file(weights)
    state = {name.replace("model.text_model.", "model.model.text_model."): state[name] for name in state}
    save_file(state, weights, metadata={"format": "pt"})
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = config["target_modules"].replace("(text_model)", "(model.text_model)")
    (adapter / "adapter_config.json").write_text(json.dumps(config))


def test_a_saved_folder_is_the_same_model(model, pages, tmp_path):
    page = ModelInput(None, (pages[0],))
    model.save_pretrained(tmp_path / "saved")
    again = SmartModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert torch.equal(again.encode_document(page).packed, model.encode_document(page).packed)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"] == ["ColIdefics3"]


def test_a_long_text_is_cut_and_tiles_are_not(folder, pages):
    model = SmartModel.from_pretrained(folder, device="cpu", prompts={"max_length": 40})
    ids = model.family.featurize([ModelInput("the cat sat on the mat and " * 20), WHY], "query")["input_ids"][0]
    assert len(ids) <= 40 and model.family.tokenizer.decode(ids).startswith("Query: the cat")
    assert model.family.tokenizer.decode(ids).endswith(f"{ENDS}\n")
    with pytest.raises(ModelError, match=r"an input needs \d+ tokens, of which only 0 are text"):
        model.family.featurize([ModelInput(None, (pages[0],))], "document")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "config.json",
            lambda values: values["text_config"].update(model_type="mistral"),
            "text_config.model_type 'mistral': colidefics3 reads Idefics3 over llama",
        ),
        (
            "config.json",
            lambda values: values.update(architectures=["Idefics3ForConditionalGeneration"]),
            "model_type 'idefics3' is used by colidefics3, and the folder's files do not show",
        ),
        (
            "config.json",
            lambda values: values.update(image_token_id=5),
            r"its tokenizer has id \d+ for <image>, but config.json says 5; put back the tokenizer",
        ),
        (
            "preprocessor_config.json",
            lambda values: values.update(max_image_size={"longest_edge": 64}),
            "makes tiles of 64 pixels, but the model reads 32 x 32 pixels; put back the preprocessor_config.json",
        ),
    ],
)
def test_folders_that_do_not_fit_are_refused(folder, tmp_path, pages, name, change, message):
    with pytest.raises(ModelError, match=message):
        model = SmartModel.from_pretrained(edited(folder, tmp_path / "other", name, change), device="cpu")
        model.encode_document(ModelInput(None, (pages[0],)))


def test_a_tokenizer_without_its_tokens_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    tokens = tmp_path / "other" / "tokenizer.json"
    tokens.write_text(tokens.read_text().replace("<end_of_utterance>", "<the_end>"))
    with pytest.raises(ModelError, match="its tokenizer has no <end_of_utterance>, which colidefics3"):
        SmartModel.from_pretrained(tmp_path / "other", device="cpu")


def test_a_folder_without_the_projection_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "bare")
    state = load_file(folder / "model.safetensors")
    del state["linear.weight"]
    save_file(state, tmp_path / "bare" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"holds no linear.weight, so it is not a ColIdefics3 model"):
        SmartModel.from_pretrained(tmp_path / "bare", device="cpu")


def test_what_it_does_not_have_is_refused(folder, model):
    with pytest.raises(ModelError, match=r"model\.max_pixels 9000: colidefics3 has no bounds on an image's area"):
        SmartModel.from_pretrained(folder, device="cpu", prompts={"max_pixels": 9000})
    with pytest.raises(ModelError, match="colidefics3 reads text, image, but an input holds video"):
        model.family.render(ModelInput("red", (), ["a.png", "b.png"]), "document")
