"""Exports that sentence-transformers reads through modules of smart_train: every family, every scoring setting."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.export import Golden
from smart_train.export.embedder_layout import needs_smart_train, write_layout
from smart_train.export.verify import measure_routes
from smart_train.models import FAMILIES, TokenProjection
from tests.models.text_folders import decoder_folder, encoder_folder, gemma_folder
from tests.models.vision_folders import small_pages, vision_folder

sentence_transformers = pytest.importorskip("sentence_transformers", minversion="6.0")
QUERIES = ["the cat sat", "red page revenue total the dog on mat"]
TEXTS = ["the dog", "revenue total on the red page"]
# What the library's own modules cannot say of any family, together.
HARD = {"layer": 1, "query_tokens": "text", "document_tokens": "all", "pooled_token": "drop"}
VISUAL = {"query_tokens": "visual", "document_tokens": "visual"}


def pages():
    noise = np.random.default_rng(0).integers(0, 256, (96, 224, 3), dtype=np.uint8)
    return [Image.fromarray(noise[:, :96].copy()), Image.fromarray(noise)]


def lay_out(name, folder, scoring=None, projection=None):
    """An export of a tiny model of family `name`; returns it as smart_train reads it."""
    if name == "text_encoder":
        source = encoder_folder(folder / "source", pooling={"pooling_mode_cls_token": True})
    elif name == "text_decoder":
        source = decoder_folder(folder / "source")
    elif name == "embedding_gemma":
        source = gemma_folder(folder / "source")
    else:
        source = vision_folder(folder / "source", FAMILIES[name].model_types[0])
    prompts = small_pages(name) if "image" in FAMILIES[name].modalities else None
    model = SmartModel.from_config(source, family=name, scoring=scoring, prompts=prompts, init_std=0.1)
    if projection is not None:
        model.add_projection(projection)
    model.save_pretrained(folder / "export")
    write_layout(model, folder / "export", plain=False)
    assert needs_smart_train(folder / "export")
    return SmartModel.from_pretrained(folder / "export", device="cpu", dtype="float32")


def load(kind, folder, **kwargs):
    options = {"trust_remote_code": True, "model_kwargs": {"dtype": torch.float32}, **kwargs}
    return getattr(sentence_transformers, kind)(str(folder / "export"), device="cpu", local_files_only=True, **options)


def assert_same(model, folder, documents):
    """Both classes against `model`, to far below the 1e-4 that is promised."""
    ours = model.encode_query(QUERIES), model.encode_document(documents)
    single, several = load("SentenceTransformer", folder), load("MultiVectorEncoder", folder)
    pooled = single.encode_query(QUERIES), single.encode_document(documents)
    tokens = several.encode_query(QUERIES), several.encode_document(documents)
    for mine, vectors, states in zip(ours, pooled, tokens, strict=True):
        torch.testing.assert_close(torch.from_numpy(vectors), mine.pooled, atol=1e-6, rtol=0)
        for theirs, expected in zip(states, mine.tokens, strict=True):
            torch.testing.assert_close(theirs, expected, atol=1e-6, rtol=0)
    assert single.get_embedding_dimension() == ours[0].pooled.shape[1]
    assert several.get_embedding_dimension() == ours[0].packed.shape[1]
    late = model.similarity(*ours, scoring=ScoringConfig(pooled_weight=0.0))
    torch.testing.assert_close(several.similarity(*tokens), late, atol=1e-6, rtol=0)


# Late-only models are not exported.
EXPORTED = sorted(name for name, family in FAMILIES.items() if not family.late_only)


@pytest.mark.parametrize("name", EXPORTED)
def test_every_family_gives_its_pooled_vector_and_kept_tokens(name, tmp_path):
    # Every other family as it comes, the others by all that only smart_train can read.
    family = FAMILIES[name]
    visual = "image" in family.modalities
    scoring = HARD if EXPORTED.index(name) % 2 or not visual else None
    if family.token_head is not None:
        scoring = {**HARD, "layer": -1}  # it reads no other
    model = lay_out(name, tmp_path, scoring)
    # Pages, texts and both in one, in one call: no kind is set apart.
    assert_same(model, tmp_path, [*pages(), TEXTS[0], {"text": "red", "image": pages()[0]}] if visual else TEXTS)


def test_visual_tokens_alone_and_a_projection_of_several_layers(tmp_path):
    """A text without visual tokens keeps its pooled one here, and none in the plain layout."""
    projection = TokenProjection(96, 8, layers=[1, -1])
    assert_same(lay_out("qwen3_vl_embedding", tmp_path, VISUAL, projection), tmp_path, [*pages(), *TEXTS])


@pytest.fixture
def encoder(tmp_path):
    return lay_out("text_encoder", tmp_path, HARD)


def test_the_library_asks_for_trust_and_says_what_it_would_import(encoder, tmp_path):
    with pytest.raises(ValueError, match=r"'smart_train.serving.embedder.Transformer'.*\n.*trust_remote_code=True"):
        load("SentenceTransformer", tmp_path, trust_remote_code=False)


def test_a_prompt_is_the_instruction_of_inputs_without_one(encoder, tmp_path):
    single = load("SentenceTransformer", tmp_path)
    expected = encoder.encode_query([{"text": text, "instruction": "query : "} for text in QUERIES]).pooled
    assert (expected - encoder.encode_query(QUERIES).pooled).abs().max() > 1e-3
    torch.testing.assert_close(torch.from_numpy(single.encode_query(QUERIES, prompt="query : ")), expected)


def test_evaluators_and_saving_work_as_on_any_model(encoder, tmp_path):
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    single = load("SentenceTransformer", tmp_path)
    evaluator = InformationRetrievalEvaluator(
        {"q": TEXTS[0]}, {"0": TEXTS[0], "1": TEXTS[1]}, {"q": {"0"}}, show_progress_bar=False, write_csv=False
    )
    assert 0 < evaluator(single)["cosine_mrr@10"] <= 1
    single.save_pretrained(str(tmp_path / "again" / "export"))
    several = load("MultiVectorEncoder", tmp_path / "again")
    torch.testing.assert_close(several.encode_document(TEXTS[0]), encoder.encode_document(TEXTS[0]).tokens[0])


def test_what_cannot_be_set_is_refused_by_name(encoder, tmp_path):
    for options, named in (
        ({"processor_kwargs": {"max_pixels": 9}}, "max_pixels"),
        ({"model_kwargs": {"device_map": "auto"}}, "device_map"),
        ({"backend": "onnx"}, "backend 'onnx'"),
    ):
        with pytest.raises(ModelError, match=f"{named} cannot be set on a model that smart_train reads"):
            load("SentenceTransformer", tmp_path, **options)
    half = load("SentenceTransformer", tmp_path, model_kwargs={"dtype": torch.bfloat16})
    assert half.dtype == torch.bfloat16


def test_no_other_class_is_trusted_along_with_ours(encoder, tmp_path):
    """As in somebody else's folder that looks like an export, which `verify` is called on."""
    folder = tmp_path / "export"
    Golden.make(encoder).save(folder, encoder)
    entries = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    entries.append({"idx": 2, "name": "2", "path": "", "type": "stranger.Module"})
    (folder / "modules.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "stranger.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()", encoding="utf-8")
    single, several = measure_routes(folder)[2:]
    assert "which is not part of Sentence Transformers" in single.failure
    assert several.skipped is not None
    assert not (tmp_path / "ran").exists()
