"""The SMART authors' models on Qwen3-VL: read as they were trained, from their folders as they lie on the Hub."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_adapter, export_model
from smart_train.models import detect_family
from smart_train.models.families.lamra import LamRAQwen3
from smart_train.models.peft import add_lora
from smart_train.types import ModelInput
from tests.command import call
from tests.models.vision_folders import SMALL_PAGES, vision_folder

READING, TRAINING = "smart_lamra_qwen3_vl", "smart_lamra_qwen3_vl_training"
WORDS = 2048  # in the tiny vocabulary; `<emb>` is the next
VISION = "<|vision_start|><|image_pad|><|vision_end|>"
FIND = "Find a document image that matches the given query."


@pytest.fixture
def instruct(tmp_path):
    """A plain Qwen3-VL with weights and spare rows in its vocabulary, as Qwen/Qwen3-VL-2B-Instruct is one."""
    folder = vision_folder(tmp_path / "config", "qwen3_vl")
    SmartModel.from_config(folder, init_std=0.05).save_pretrained(tmp_path / "instruct")
    (tmp_path / "instruct" / "smart_config.json").unlink()
    return tmp_path / "instruct"


def trained(instruct):
    """Their model in memory: the generation class, its embeddings cut to the vocabulary with `<emb>`, and LoRA on every
    linear layer of it, the vision tower's and DeepStack's too."""
    tokenizer = AutoTokenizer.from_pretrained(instruct)
    tokenizer.add_tokens(["<emb>"])
    model = Qwen3VLForConditionalGeneration.from_pretrained(instruct)
    model.resize_token_embeddings(len(tokenizer))
    linear = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear) and "model" in name]
    torch.manual_seed(0)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=linear, init_lora_weights="gaussian"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model.eval(), tokenizer


@pytest.fixture
def adapter(instruct, tmp_path):
    """Their checkpoint: embeddings and head lie beside the matrices, and there is no tokenizer."""
    model, _ = trained(instruct)
    model.peft_config["default"].base_model_name_or_path = str(instruct)
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    return tmp_path / "adapter", model


@pytest.fixture
def merged(instruct, tmp_path):
    """Their final folder: a class of their own in config.json, tokenizer and processor beside the weights."""
    model, tokenizer = trained(instruct)
    model = model.merge_and_unload()
    folder = tmp_path / "merged"
    model.save_pretrained(folder)
    for name in ("preprocessor_config.json", "video_preprocessor_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((instruct / name).read_bytes())
    tokenizer.save_pretrained(folder)
    change(folder / "config.json", architectures=["Qwen3VLRetFinetuneForConditionalGeneration"], emb_token_ids=[WORDS])
    return folder, model


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@torch.no_grad()
def plain_states(whole, features):
    """The last states of the generation class from input embeddings alone, as the authors call it."""
    inner = whole.model
    embeddings = inner.get_input_embeddings()(features["input_ids"]).clone()
    if "pixel_values" in features:
        visual = inner.visual(features["pixel_values"], grid_thw=features["image_grid_thw"]).pooler_output
        embeddings[features["input_ids"] == inner.config.image_token_id] = visual
    return inner(inputs_embeds=embeddings, attention_mask=features["attention_mask"]).last_hidden_state


def check_against(whole, model, items):
    """`model` gives what `whole` gives where it is called by hand, query and document, all at once and one by one.

    Up to rounding: `whole` convolves patches, which `model` multiplies. A wrong reading differs by 0.01 and more."""
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        for batch in ([items], [[item] for item in items]):
            for part in batch:
                features = model.family.featurize(part, role)
                states = plain_states(whole, features)
                before_emb = (features["input_ids"] == WORDS).int().argmax(dim=1) - 1
                pooled = F.normalize(states[range(len(part)), before_emb], dim=-1)
                found = encode(part, batch_size=len(part))
                torch.testing.assert_close(found.pooled, pooled, atol=5e-6, rtol=0)
                tokens = F.normalize(states[features["token_mask"]], dim=-1)
                torch.testing.assert_close(found.packed, tokens, atol=5e-6, rtol=0)


def prompt(user, *, closing=True):
    end = "<|im_start|>assistant\n" if closing else ""
    return f"<|im_start|>user\n{user} in one word: <|im_end|>\n<|im_start|>assistant\n<emb>.<|im_end|>\n{end}"


@pytest.mark.parametrize(
    ("item", "role", "user"),
    [
        (ModelInput("why"), "query", f" {FIND}\nwhy\nSummarize above sentence"),
        (ModelInput(""), "query", f" {FIND}\n\nSummarize above sentence"),
        (ModelInput("why", instruction=" Seek"), "query", " Seek.\nwhy\nSummarize above sentence"),
        (ModelInput("a page"), "document", "a page\nSummarize above sentence"),
        (ModelInput(None, ("p",)), "document", f"{VISION}\nSummarize above image"),
        (ModelInput(None, ("p",)), "query", f"{VISION}\nSummarize above image"),
        (ModelInput("red", ("p", "q")), "query", f"{VISION}{VISION} {FIND}\nred\nSummarize above sentence"),
        (ModelInput(), "document", "\nSummarize above image"),
    ],
)
def test_prompts_of_their_evaluation(instruct, item, role, user):
    model = SmartModel.from_config(instruct, family=READING)
    assert model.family.render(item, role) == prompt(user)


@pytest.mark.parametrize(
    ("item", "role", "user"),
    [
        (ModelInput("why"), "query", f"{FIND}\nwhy.\nSummarize above sentence"),
        (ModelInput("why?"), "query", f"{FIND}\nwhy?\nSummarize above sentence"),
        (ModelInput('"the total"', instruction="seek"), "query", 'Seek\n"the total.\nSummarize above sentence'),
        (ModelInput("a page"), "document", "A page.\nSummarize above sentence"),
        (ModelInput(None, ("p",)), "document", f"{VISION}\nSummarize above image"),
        (ModelInput("red", ("p", "q")), "document", f"{VISION}{VISION}Red.\nSummarize above image and sentence"),
        (ModelInput(), "document", "\nSummarize above sentence"),
    ],
)
def test_prompts_of_their_training(instruct, item, role, user):
    model = SmartModel.from_config(instruct, family=TRAINING)
    assert model.family.render(item, role) == prompt(user, closing=False)


@pytest.mark.parametrize(("name", "least"), [(READING, 4 * 32 * 32), (TRAINING, 256 * 28 * 28)])
def test_pixel_bounds_are_theirs(instruct, name, least):
    family = SmartModel.from_config(instruct, family=name).family
    size = family.processor.image_processor.size
    assert (size["shortest_edge"], size["longest_edge"]) == (least, 1024 * 28 * 28)


@pytest.mark.parametrize("name", [READING, TRAINING])
def test_a_merged_model_of_theirs_is_read_as_it_was_trained(merged, mixed, name):
    folder, whole = merged
    model = SmartModel.from_pretrained(folder, family=name, prompts=SMALL_PAGES, device="cpu")
    assert model.family.emb_id == WORDS
    check_against(whole, model, mixed)
    assert model.scoring == ScoringConfig(), "of its tokens, their evaluation keeps the content"


def test_its_class_tells_the_family(merged, instruct):
    folder, _ = merged
    assert detect_family("qwen3_vl", folder).name == READING
    change(folder / "config.json", architectures=["Qwen3VLForConditionalGeneration"])
    assert detect_family("qwen3_vl", folder) is LamRAQwen3
    assert detect_family("qwen3_vl", instruct).name == "qwen3_vl_embedding"


def test_another_reading_gives_other_vectors_where_there_are_images(merged, pages):
    """What the families are for: the same weights, read as Qwen3-VL reads."""
    folder, _ = merged
    theirs = SmartModel.from_pretrained(folder, family=READING, prompts=SMALL_PAGES, device="cpu")
    other = SmartModel.from_pretrained(folder, family="lamra_qwen3_vl", prompts=SMALL_PAGES, device="cpu")
    page = ModelInput(None, (pages[0],))
    assert F.cosine_similarity(theirs.encode_document(page).pooled, other.encode_document(page).pooled).item() < 0.99
    text = ModelInput("a page")
    torch.testing.assert_close(
        theirs.encode_document(text).pooled, other.encode_document(text).pooled, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("name", [READING, TRAINING])
def test_a_checkpoint_of_theirs_loads_over_its_base(adapter, mixed, name):
    folder, whole = adapter
    state = load_file(folder / "adapter_model.safetensors")
    assert any("embed_tokens" in key for key in state) and any("lm_head" in key for key in state)
    assert any("visual.blocks" in key for key in state) and any("deepstack_merger_list" in key for key in state)
    model = SmartModel.from_pretrained(folder, family=name, prompts=SMALL_PAGES, device="cpu")
    check_against(whole.get_base_model(), model, mixed)


def test_embeddings_that_are_not_the_bases_are_refused(adapter):
    folder, _ = adapter
    path = folder / "adapter_model.safetensors"
    state = load_file(path)
    (key,) = [key for key in state if "embed_tokens" in key]
    state[key] = state[key] + 0.01
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"adapter: holds embeddings \(.*embed_tokens.weight\) that differ from those"):
        SmartModel.from_pretrained(folder, family=READING, device="cpu")


@pytest.mark.slow
def test_an_export_keeps_the_reading_and_says_what_cannot(adapter, mixed, tmp_path, monkeypatch, capsys):
    folder, _ = adapter
    model = SmartModel.from_pretrained(folder, family=READING, device="cpu")
    expected = model.encode_document(mixed)
    report = export_model(folder, tmp_path / "export", family=READING)
    routes = {item.route: item for item in report.routes}
    assert routes["transformers"].largest < 1e-5, "its config.json says that there is no DeepStack"
    config = json.loads((tmp_path / "export" / "config.json").read_text())
    assert config["vision_config"]["deepstack_visual_indexes"] == []
    assert not [key for key in load_file(tmp_path / "export" / "model.safetensors") if "deepstack" in key]
    exported = SmartModel.from_pretrained(tmp_path / "export", device="cpu")
    assert exported.family.name == READING
    torch.testing.assert_close(exported.encode_document(mixed).packed, expected.packed, atol=1e-5, rtol=0)
    assert exported.family.conversation(mixed[1], "document") is None, "vLLM would number the image's tokens"
    for route in ("SentenceTransformer", "MultiVectorEncoder"):
        if routes[route].skipped is None:
            assert "numbers image tokens in sequence" in routes[route].needs
    assert call(monkeypatch, "inspect", tmp_path / "export") == 0
    shown = capsys.readouterr().out
    assert READING in shown and "tokens numbered like words, without DeepStack" in shown


def test_an_adapter_alone_names_why_peft_cannot_read_it(instruct, tmp_path, mixed):
    model = SmartModel.from_pretrained(instruct, family=TRAINING, prompts=SMALL_PAGES, device="cpu")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    model.save_pretrained(tmp_path / "own")
    saved = json.loads((tmp_path / "own" / "smart_config.json").read_text())
    assert saved["family"] == TRAINING
    reports = {report.route: report for report in export_adapter(tmp_path / "own", tmp_path / "small")}
    assert "trained without DeepStack" in reports["peft"].skipped and reports["smart_train"].largest < 1e-5
    card = (tmp_path / "small" / "README.md").read_text()
    assert "PEFT alone does not read it as it was trained" in card and "PeftModel" not in card


def test_what_one_of_the_two_trained_the_other_may_read(instruct, tmp_path, mixed):
    model = SmartModel.from_pretrained(instruct, family=TRAINING, device="cpu")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    model.save_pretrained(tmp_path / "own")
    assert SmartModel.from_pretrained(tmp_path / "own", device="cpu").family.name == TRAINING
    assert SmartModel.from_pretrained(tmp_path / "own", family=READING, device="cpu").family.name == READING
    with pytest.raises(ModelError, match=f"trained as family '{TRAINING}'; model.family 'lamra_qwen3_vl' would give"):
        SmartModel.from_pretrained(tmp_path / "own", family="lamra_qwen3_vl", device="cpu")
