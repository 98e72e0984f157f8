"""What every family promises, on a tiny random model with its real configuration and processor classes."""

import pickle
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import FAMILIES, TokenProjection, register_family
from smart_train.models.loading import load_weights
from smart_train.models.peft import adapted_modules, add_lora
from smart_train.models.prompt_length import LengthCheck
from smart_train.models.readout import READOUT
from smart_train.types import ModelInput
from tests.models import flash_stand_in
from tests.models.projector_family import ProjectorFamily, projector_folder
from tests.models.text_folders import decoder_folder, encoder_folder, gemma_folder
from tests.models.vision_folders import small_pages, vision_folder
from tests.videos import write_clip

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
FIND = "Find a document image that matches the given query."
OPEN = "<|im_start|>assistant\n"  # a turn that is left open
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def chat(system, user, assistant=""):
    turns = "".join(f"<|im_start|>{who}\n{text}<|im_end|>\n" for who, text in (("system", system), ("user", user)))
    return f"{turns}<|im_start|>assistant\n{assistant}"


def lamra(before, user, seen, after=""):
    asked = f"{user}\nSummarize above {seen} in one word: "
    return f"{before}<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n<emb>.<|im_end|>\n{after}"


@dataclass(frozen=True)
class Case:
    """A family's backbone, its prompts of the query "why", of a page with text "red" and of nothing, the token that it
    pools ("mean": several), the visual tokens of a page of 96 x 96 pixels, the token that stands for each of them, and
    whether it is of Qwen's line, which reads videos and numbers image tokens by rows and columns."""

    kind: str
    query: str
    page: str | None
    nothing: str
    pooled: str
    visual: int = 9
    placeholder: str = "<|image_pad|>"
    qwen: bool = True


CASES = {
    "qwen3_vl_embedding": Case(
        "qwen3_vl",
        chat(FIND, "why"),
        chat("Represent the user's input.", f"{VISION}red"),
        chat("Represent the user's input.", "NULL"),
        "Ċ",
    ),
    "gme": Case(
        "qwen2_vl",
        chat(FIND, "why", "<|endoftext|>"),
        chat("You are a helpful assistant.", f"{VISION}red", "<|endoftext|>"),
        chat("You are a helpful assistant.", "", "<|endoftext|>"),
        "<|endoftext|>",
    ),
    "vlm2vec": Case(
        "qwen2_vl",
        "Find a document image that matches the given query: why",
        "<|image_pad|> Understand the content of the provided document image. red",
        " ",
        "d",
    ),
    "unime_v2": Case(
        "qwen2_vl",
        "Find a document image that matches the given query: why\n",
        "<|image_pad|>\nRepresent the given image. red\n",
        "\n",
        "Ċ",
    ),
    "lamra": Case(
        "qwen2_vl",
        lamra(SYSTEM, f"{FIND} why", "sentence"),
        lamra(SYSTEM, f"{VISION}red", "image and sentence"),
        lamra(SYSTEM, "", "sentence"),
        "Ċ",
    ),
    "lamra_qwen2_5_vl": Case(
        "qwen2_5_vl",
        lamra(SYSTEM, f"{FIND} why", "sentence"),
        lamra(SYSTEM, f"{VISION}red", "image and sentence"),
        lamra(SYSTEM, "", "sentence"),
        "Ċ",
    ),
    "lamra_qwen3_vl": Case(
        "qwen3_vl",
        lamra("", f"{FIND} why", "sentence"),
        lamra("", f"{VISION}red", "image and sentence"),
        lamra("", "", "sentence"),
        "Ċ",
    ),
    "smart_lamra_qwen3_vl": Case(
        "qwen3_vl",
        lamra("", f" {FIND}\nwhy", "sentence", OPEN),
        lamra("", f"{VISION}red", "sentence", OPEN),
        lamra("", "", "image", OPEN),
        "Ċ",
    ),
    "jina_v4": Case("qwen2_5_vl", "Query: why", f"<|im_start|>user\n{VISION}red<|im_end|>\n", "Passage: ", "mean"),
    "ops_mm_embedding": Case(
        "qwen2_vl",
        chat("You are a helpful assistant.", "why", "<|endoftext|>"),
        chat("You are a helpful assistant.", f"{VISION}red", "<|endoftext|>"),
        chat("You are a helpful assistant.", "", "<|endoftext|>"),
        "<|endoftext|>",
    ),
    "nomic_embed_multimodal": Case(
        "qwen2_5_vl",
        "Query: why<|endoftext|>",
        f"<|im_start|>user\n{VISION}red<|im_end|><|endoftext|>",
        "<|endoftext|>",
        "<|endoftext|>",
    ),
    "moca": Case("qwen2_5_vl", "why", f"{VISION}\nRepresent the given document image. red", "\n", "mean"),
    "eager_embed": Case(
        "qwen3_vl",
        "<|im_start|>user\nQuery: why<|im_end|>\n<|endoftext|>",
        f"<|im_start|>user\nred{VISION}<|im_end|>\n<|endoftext|>",
        "<|im_start|>user\n<|im_end|>\n<|endoftext|>",
        "<|endoftext|>",
    ),
    "text_encoder": Case("bert", "why", None, "", "mean"),
    "text_decoder": Case(
        "qwen3",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:why",
        None,
        "",
        "<|endoftext|>",
    ),
    "embedding_gemma": Case("gemma3", "task: search result | query: why", None, "title: none | text: ", "mean"),
    # Of another line, and of these tests alone: it shows that a family needs no more than its own file.
    "projector": Case(
        "paligemma", "<bos>why\n", "<image><bos>red\n", "<bos>\n", "Ċ", placeholder="<image>", qwen=False
    ),
}
VISUAL = [name for name, case in CASES.items() if case.page is not None]
# Apart from one above in nothing but prompts and, of jina's, the matrices read; their own files test them.
# Without a pooled vector, of which most of this asks; their own files test the rest.
LATE_ONLY = {"colqwen", "colpali", "colpali_v1_2", "colidefics3"}
VARIANTS = {"jina_v4_text_matching", "jina_v4_code", "smart_lamra_qwen3_vl_training"}
EVERY = pytest.mark.parametrize("name", CASES)
EVERY_VISUAL = pytest.mark.parametrize("name", VISUAL)
EVERY_QWEN = pytest.mark.parametrize("name", [name for name in VISUAL if CASES[name].qwen])
needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")


@pytest.fixture(scope="module", autouse=True)
def registered():
    register_family(ProjectorFamily)
    yield
    del FAMILIES[ProjectorFamily.name]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each kind of backbone, without weights."""
    root, made = tmp_path_factory.mktemp("kinds"), {}
    for kind in {case.kind for case in CASES.values()}:
        build = {
            "bert": encoder_folder,
            "qwen3": decoder_folder,
            "gemma3": gemma_folder,
            "paligemma": projector_folder,
        }.get(kind)
        made[kind] = build(root / kind) if build else vision_folder(root / kind, kind)
    return made


@pytest.fixture
def make(folders):
    def build(name, **kwargs):
        if FAMILIES[name].pixel_bounds:
            kwargs["prompts"] = small_pages(name)
        return SmartModel.from_config(folders[CASES[name].kind], family=name, init_std=0.05, **kwargs)

    return build


@pytest.fixture
def inputs(pages):
    """What a family reads, by its name: text, nothing, and where it can, pages alone, with text, and two."""
    texts = [ModelInput("the cat sat"), ModelInput(), ModelInput("red page of the total revenue")]
    pictures = [
        ModelInput(None, (pages[0],)),
        ModelInput("a caption", (pages[1],)),
        ModelInput(None, (pages[0], pages[2])),
    ]
    return lambda name: texts + (pictures if name in VISUAL else [])


def kept(model, features, row):
    ids = features["input_ids"][row][features["token_mask"][row]]
    return model.family.tokenizer.convert_ids_to_tokens(ids)


@EVERY
def test_flash_attention_gives_the_same(make, inputs, name, monkeypatch):
    """Through transformers' own path to it, with its functions replaced; also one row, and rows without padding."""
    model, items = make(name), inputs(name)
    batches = [[item] for item in items] + [items, [items[-1], items[-1]]]
    plain = [model.encode_document(batch, batch_size=len(batch)) for batch in batches]
    called = flash_stand_in.install(monkeypatch)
    flash_stand_in.take(model)
    for batch, expected in zip(batches, plain, strict=True):
        found = model.encode_document(batch, batch_size=len(batch))
        torch.testing.assert_close(found.pooled, expected.pooled, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.packed, expected.packed, atol=1e-5, rtol=1e-5)
    assert set(called) == {"whole", "ragged"}


def test_every_family_is_here():
    assert set(CASES) | VARIANTS | LATE_ONLY == set(FAMILIES)
    assert {name for name, family in FAMILIES.items() if family.late_only} == LATE_ONLY


@EVERY
def test_prompts_are_the_published_ones(make, pages, name):
    family, case = make(name).family, CASES[name]
    assert family.render(ModelInput("why"), "query") == case.query
    assert family.render(ModelInput(), "document") == case.nothing
    if case.page is not None:
        assert family.render(ModelInput("red", (pages[0],)), "document") == case.page


@EVERY
def test_tokens_are_counted_from_sizes_as_featurize_makes_them(make, inputs, name):
    family = make(name).family
    for role in ("query", "document"):
        for item in inputs(name):
            features = family.featurize([item], role)
            sizes = [image.size for image in item.images]
            assert family.token_count(item, role, sizes) == features["attention_mask"].sum()
            if sizes:
                assert family.visual_tokens(sizes) == torch.isin(features["input_ids"], family.visual_ids).sum()


@EVERY
def test_the_pooled_position_is_the_published_one(make, name):
    model, case = make(name), CASES[name]
    features = model.family.featurize([ModelInput("red"), ModelInput("the cat sat on the mat")], "query")
    if case.pooled == "mean":
        assert torch.equal(features["pooled_mask"], features["attention_mask"].bool())
        return
    tokens = model.family.tokenizer.convert_ids_to_tokens(
        features["input_ids"].gather(1, features["pooled_index"].unsqueeze(1)).flatten()
    )
    assert tokens[0] == case.pooled or tokens[0].endswith(case.pooled)
    assert (features["pooled_index"] < features["attention_mask"].sum(1)).all()


@EVERY
def test_kept_tokens_are_all_but_special_ones_on_either_side_of_padding(make, inputs, name):
    model, items = make(name), inputs(name)
    right = model.family.featurize(items, "document")
    special = set(model.family.special_ids.tolist())
    pads = set(model.family.visual_ids.tolist())
    for row, ids in enumerate(right["input_ids"]):
        valid = ids[right["attention_mask"][row].bool()].tolist()
        expected = [token for token in valid if token not in special or token in pads]
        # Where nothing is left, what the pooled vector is made of is.
        found = ids[right["token_mask"][row]].tolist()
        assert found == expected if expected else found and set(found) <= set(valid)
    model.family.tokenizer.padding_side = "left"
    left = model.family.featurize(items, "document")
    assert not torch.equal(left["attention_mask"], right["attention_mask"])
    for row in range(len(items)):
        assert kept(model, left, row) == kept(model, right, row)
    if name != "text_encoder":  # whose positions are counted from the left, padding included
        with torch.no_grad():
            ours, theirs = model(left), model(right)
        torch.testing.assert_close(ours.pooled, theirs.pooled, atol=2e-6, rtol=0)
        torch.testing.assert_close(ours.packed, theirs.packed, atol=2e-6, rtol=0)


@EVERY_VISUAL
def test_visual_tokens_are_kept_for_one_image_for_several_and_alone(make, pages, name):
    model, case = make(name, scoring=ScoringConfig(document_tokens="visual")), CASES[name]
    items = [ModelInput("red", (pages[0],)), ModelInput(None, (pages[0],) * 2), ModelInput("red")]
    features = model.family.featurize(items, "document")
    assert kept(model, features, 0) == [case.placeholder] * case.visual
    assert kept(model, features, 1) == [case.placeholder] * case.visual * 2
    pooled = features["pooled_mask"][2].sum() if case.pooled == "mean" else 1
    assert features["token_mask"][2].sum() == pooled


@needs_torchvision
@EVERY_QWEN
def test_visual_tokens_of_a_video_are_kept(make, name):
    model = make(name, scoring=ScoringConfig(document_tokens="visual"))
    frames = [Image.new("RGB", (96, 64), (index * 40, 90, 200)) for index in range(4)]
    features = model.family.featurize([ModelInput("red", (), frames), ModelInput("red")], "document")
    pairs, rows, columns = (features["video_grid_thw"][0] // torch.tensor([1, 2, 2])).tolist()
    assert pairs == 2 and kept(model, features, 0) == ["<|video_pad|>"] * pairs * rows * columns
    with torch.no_grad():
        assert model(features).pooled.isfinite().all()


@needs_torchvision
@EVERY_QWEN
@pytest.mark.parametrize("shape", [(1, (96, 64)), (3, (64, 200)), (8, (320, 180)), (70, (40, 40))])
def test_tokens_of_a_video_are_counted_without_reading_it(make, name, shape, tmp_path):
    """Those of a list of frames, and where PyAV is installed of a file; at every limit it is refused where
    `featurize` refuses it."""
    count, size = shape
    frames, family = [Image.new("RGB", size, "red")] * count, make(name, scoring=ScoringConfig()).family
    videos = [frames]
    if find_spec("av"):
        videos.append(write_clip(tmp_path / "clip.mkv", frames, rate=2))
    for limit in (60, 300, 8192):
        family.prompts = replace(family.prompts, max_length=limit)
        for item in (ModelInput("a red cat", video=video) for video in videos):
            expected, found = (is_refused(call, item) for call in (partial(featurized, family), LengthCheck(family)))
            assert found == expected
            if not expected:
                read = family.featurize([item], "document")["attention_mask"].sum()
                counted = family.token_count(item, "document", ())
                assert counted == read or counted > limit == read


def featurized(family, item, role, sizes):
    family.featurize([item], role)


def is_refused(call, item):
    try:
        call(item, "document", ())
    except ModelError as error:
        return str(error)
    return ""


@EVERY_VISUAL
def test_a_composed_query_is_scored_by_its_text(make, pages, name):
    text = make(name, scoring=ScoringConfig(query_tokens="text"))
    item = [ModelInput("in blue", (pages[0],))]
    features = text.family.featurize(item, "query")
    assert not set(features["input_ids"][0][features["token_mask"][0]].tolist()) & set(text.family.visual_ids.tolist())
    both = make(name, scoring=ScoringConfig())
    assert len(both.encode_query(item).packed) - len(text.encode_query(item).packed) == CASES[name].visual


@EVERY
def test_batch_equals_one_by_one(make, inputs, name):
    model, items = make(name), inputs(name)
    together = model.encode_document(items, batch_size=len(items))
    for row, item in enumerate(items):
        alone = model.encode_document(item)
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.tokens[row], alone.tokens[0], atol=1e-6, rtol=0)


@EVERY_QWEN
def test_states_equal_a_plain_forward_with_the_positions_the_model_was_trained_on(make, inputs, name):
    model, items = make(name), inputs(name)
    if is_torchvision_available():
        items.append(ModelInput("a walk", video=[Image.new("RGB", (96, 64), colour) for colour in ("red", "blue")]))
    features = model.family.featurize(items, "document")
    plain_inputs = {key: value for key, value in features.items() if key not in READOUT}
    if model.family.plain_positions:
        del plain_inputs["mm_token_type_ids"]
        count = (features["attention_mask"].cumsum(1) - 1).clamp(min=0)
        plain_inputs["position_ids"] = count.expand(3, *count.shape)
    else:
        assert plain_inputs["mm_token_type_ids"].any()  # image tokens are told from text
    with torch.no_grad():
        plain = model.backbone(**plain_inputs).last_hidden_state
        ours = model(features).packed
    expected = F.normalize(plain[features["token_mask"]], dim=-1)
    if model.family.plain_positions:
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)
    else:
        assert torch.equal(ours, expected)  # the same call, so the same bits


@EVERY
def test_a_lora_step_leaves_vision_alone_and_merges_exactly(make, inputs, name, tmp_path):
    model, items = make(name), inputs(name)
    model.save_pretrained(tmp_path / "base")
    model = SmartModel.from_pretrained(tmp_path / "base", device="cpu")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    assert not [module for module in adapted_modules(model.backbone) if model.family.is_vision(module)]
    frozen = {key: value.clone() for key, value in model.named_parameters() if not value.requires_grad}
    optimizer = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=0.1)
    untrained = model.encode_document(items)
    model.train()
    model(model.family.featurize(items, "query")).packed[:, 0].sum().backward()
    optimizer.step()
    assert all(torch.equal(value, frozen[key]) for key, value in model.named_parameters() if key in frozen)
    trained = model.eval().encode_document(items)
    assert not torch.equal(trained.packed, untrained.packed)
    model.save_pretrained(tmp_path / "adapter")
    again = SmartModel.from_pretrained(tmp_path / "adapter", device="cpu")
    assert torch.equal(again.encode_document(items).packed, trained.packed)
    model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    torch.testing.assert_close(model.encode_document(items).packed, trained.packed, atol=1e-5, rtol=0)


@EVERY
def test_a_projection_of_two_layers_trains_and_travels_without_the_base(make, inputs, name, tmp_path):
    items = inputs(name)
    make(name).save_pretrained(tmp_path / "base")
    model = SmartModel.from_pretrained(tmp_path / "base", device="cpu")
    pooled = model.encode_document(items).pooled
    model.freeze_backbone()
    model.add_projection(TokenProjection(model.hidden_size, 8, hidden_dim=12, layers=(-1, 1)))
    model.train()
    model(model.family.featurize(items, "query")).packed[:, 0].sum().backward()
    trained = {key for key, value in model.named_parameters() if value.grad is not None}
    assert trained == {f"projection.{key}" for key, _ in model.projection.named_parameters()}
    torch.optim.SGD(model.projection.parameters(), lr=0.1).step()
    model.eval().save_pretrained(tmp_path / "projection")
    ours = model.encode_document(items)
    theirs = SmartModel.from_pretrained(tmp_path / "projection", device="cpu").encode_document(items)
    assert torch.equal(ours.packed, theirs.packed) and ours.packed.shape[1] == 8
    assert torch.equal(ours.pooled, theirs.pooled)
    torch.testing.assert_close(ours.pooled, pooled, atol=1e-6, rtol=0)


@EVERY
def test_a_saved_folder_loads_the_same(make, inputs, tmp_path, name):
    model, items = make(name), inputs(name)
    model.save_pretrained(tmp_path / "saved")
    loaded = SmartModel.from_pretrained(tmp_path / "saved", device="cpu")
    load_weights(model, tmp_path / "saved")
    assert loaded.family.name == name
    assert torch.equal(model.encode_document(items).packed, loaded.encode_document(items).packed)
    if name in VISUAL:
        _, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]


@EVERY
def test_it_survives_pickling_for_workers(make, inputs, name):
    family, items = make(name).family, inputs(name)
    ours, theirs = family.featurize(items, "query"), pickle.loads(pickle.dumps(family)).featurize(items, "query")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
