"""Indexes on disk: whole or absent, and only for the model that made them."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import save_file

from smart_train.errors import DataError, ModelError
from smart_train.models.prompt_settings import PromptConfig
from smart_train.retrieval import DocumentIndex, Source, model_fingerprint
from smart_train.retrieval import index as index_module
from smart_train.retrieval.fingerprints import sampled_fingerprint
from smart_train.retrieval.search import search_embeddings
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from tests.damage import flip


@pytest.fixture
def index(model):
    embeddings = Embeddings(torch.rand(3, 3), [torch.rand(2, 3), torch.rand(0, 3), torch.rand(4, 3)])
    sources = tuple(Source(f"{name}.png", 10, 20, name * 32) for name in "abc")
    return DocumentIndex(
        ["a", "b", "caf\u00e9\udce9"],
        embeddings,
        model_fingerprint(model),
        index_module.document_settings(model),
        sources,
    )


def same(left: DocumentIndex, right: DocumentIndex) -> bool:
    return (
        (left.document_ids, left.model, left.settings, left.sources)
        == (right.document_ids, right.model, right.settings, right.sources)
        and left.embeddings.parts().keys() == right.embeddings.parts().keys()
        and all(torch.equal(part, right.embeddings.parts()[name]) for name, part in left.embeddings.parts().items())
    )


def test_saved_and_loaded(tmp_path, index):
    index.save(tmp_path / "index")
    assert same(DocumentIndex.load(tmp_path / "index"), index)


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path, index, model):
    index.save(tmp_path)
    smaller = DocumentIndex(["z"], index.embeddings[:1], index.model, index.settings)
    smaller.save(tmp_path)
    assert same(DocumentIndex.load(tmp_path), smaller)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("step", ["smart_train.utils.tensors.save_file", "smart_train.retrieval.index.write_json"])
def test_a_save_that_dies_leaves_the_old_index(tmp_path, index, monkeypatch, step):
    index.save(tmp_path)

    def die(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, die)
    with pytest.raises(KeyboardInterrupt):
        DocumentIndex(["z"], index.embeddings[:1], index.model, index.settings).save(tmp_path)
    assert same(DocumentIndex.load(tmp_path), index)
    monkeypatch.undo()
    index.save(tmp_path)  # and the next save clears what the dead one left
    assert len(list(tmp_path.iterdir())) == 2


def test_saves_at_once_leave_the_last_and_never_a_mixture(tmp_path, index):
    def save(place):
        part = DocumentIndex([str(place)], index.embeddings[:1], index.model, index.settings)
        for _ in range(4):
            part.save(tmp_path)
            DocumentIndex.load(tmp_path)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(save, range(4)))
    assert DocumentIndex.load(tmp_path).document_ids[0] in "0123" and len(list(tmp_path.iterdir())) == 2


def test_an_index_that_is_replaced_while_it_is_read_is_read_anew(tmp_path, index, monkeypatch):
    """Between the two files that a reader opens, another process puts new ones in their place."""
    index.save(tmp_path)
    newer = DocumentIndex(["z"], index.embeddings[:1], index.model, index.settings)
    load, waiting = index_module.load_tensors, [newer, newer]

    def interrupted(path):
        if waiting:
            waiting.pop().save(tmp_path)
        return load(path)

    monkeypatch.setattr(index_module, "load_tensors", interrupted)
    assert same(DocumentIndex.load(tmp_path), newer) and not waiting


def test_embeddings_of_any_dtype_survive(tmp_path, index):
    half = DocumentIndex(index.document_ids, index.embeddings.to(torch.bfloat16), index.model, index.settings)
    half.save(tmp_path)
    assert DocumentIndex.load(tmp_path).embeddings.packed.dtype == torch.bfloat16


def test_8_bit_tokens_keep_their_scales(tmp_path, index):
    small = replace(index, embeddings=index.embeddings.quantize("int8"))
    small.save(tmp_path)
    loaded = DocumentIndex.load(tmp_path)
    assert same(loaded, small)
    queries, names = index.embeddings[:1], index.document_ids
    assert search_embeddings(queries, loaded.embeddings, names, ScoringConfig(), top_k=3) == search_embeddings(
        queries, small.embeddings, names, ScoringConfig(), top_k=3
    )


def test_fits_only_the_model_that_made_it(index, make_model):
    index.check(make_model())
    index.check(make_model(scoring=ScoringConfig(late_weight=3.0, query_tokens="text")))
    index.check(make_model(prompts=PromptConfig(query_instruction="Find it.")))
    for other in (
        make_model(seed=1),
        make_model(prompts=PromptConfig(max_pixels=1000)),
        make_model(prompts=PromptConfig(document_instruction="Read it.")),
    ):
        with pytest.raises(ModelError, match="made by another model"):
            index.check(other)
    with pytest.raises(ModelError, match=r"scoring settings that differ.*\n  layer: -1 there, 2 here$"):
        index.check(make_model(scoring=ScoringConfig(layer=2)))
    with pytest.raises(ModelError, match="document_tokens: 'content' there, 'visual' here"):
        index.check(make_model(scoring=ScoringConfig(document_tokens="visual")))


def test_a_setting_that_an_older_index_lacks_counts_as_its_default(index, make_model):
    older = replace(index, settings={name: index.settings[name] for name in ("layer", "document_tokens")})
    older.check(make_model())
    with pytest.raises(ModelError, match=r"\n  pooled_token: 'keep' by default there, 'drop' here$"):
        older.check(make_model(scoring=ScoringConfig(pooled_token="drop")))
    newer = replace(index, settings={**index.settings, "stride": 2})
    with pytest.raises(ModelError, match=r"\n  stride: 2 there, unknown to this version$"):
        newer.check(make_model())


@dataclass(frozen=True)
class LaterPrompts(PromptConfig):
    """Those of a package that has another setting."""

    document_marks: int | None = None


def test_a_prompt_setting_of_a_later_version_changes_the_fingerprint_only_where_it_is_used(model, make_model):
    # As version 0.1.0 made it, of these weights: indexes on users' disks hold such digests.
    model.weight.data = torch.arange(9.0).reshape(3, 3)
    assert sampled_fingerprint(model) == "3183db93e014d7f0e1123fb6646b166b"
    later = {marks: make_model(prompts=LaterPrompts(document_marks=marks)) for marks in (None, 3)}
    for fingerprint in (sampled_fingerprint, model_fingerprint):
        assert fingerprint(later[None]) == fingerprint(make_model())
        assert fingerprint(later[3]) != fingerprint(make_model())


def test_fingerprint_sees_training_and_not_the_dtype(model):
    before = model_fingerprint(model)
    model.weight.data = model.weight.data.bfloat16().float()
    rounded = model_fingerprint(model)
    assert rounded != before
    assert model_fingerprint(model.bfloat16()) == rounded


def test_damaged_folders_are_named(tmp_path, index):
    with pytest.raises(DataError, match=r"nowhere: no such folder; an index is a folder with an index.json"):
        DocumentIndex.load(tmp_path / "nowhere")
    index.save(tmp_path)
    tensors = next(tmp_path.glob("*.safetensors"))
    os.truncate(tensors, 100)
    with pytest.raises(DataError, match="its embeddings cannot be read"):
        DocumentIndex.load(tmp_path)
    tensors.unlink()
    with pytest.raises(DataError, match="its embeddings cannot be read"):
        DocumentIndex.load(tmp_path)


def test_no_flipped_bit_gives_other_scores(tmp_path, index):
    index.save(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    drawn = random.Random(0)
    for draw in drawn.choices(list(files), k=200):
        flip(draw, drawn.randrange(8 * len(files[draw])))
        try:
            loaded = DocumentIndex.load(tmp_path)
        except DataError as error:
            assert str(tmp_path) in str(error)
        else:
            assert loaded.document_ids == index.document_ids and loaded.sources == index.sources
            assert all(torch.equal(loaded.embeddings.parts()[n], v) for n, v in index.embeddings.parts().items())
        draw.write_bytes(files[draw])


def test_an_index_of_version_0_1_0_still_opens(tmp_path, index):
    """Its files hold no digests."""
    index.save(tmp_path)
    values = json.loads((tmp_path / "index.json").read_text())
    del values["sha256"]
    (tmp_path / "index.json").write_text(json.dumps(values))
    save_file(index.embeddings.parts(), tmp_path / values["embeddings"])
    assert torch.equal(DocumentIndex.load(tmp_path).embeddings.packed, index.embeddings.packed)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("[]", "format is None"), ('{"format": 99}', "format is 99"), ('{"format": 1}', "lacks")],
)
def test_damaged_manifests_are_named(tmp_path, text, message):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(DataError, match=message):
        DocumentIndex.load(tmp_path)


def test_numbers_must_agree(index, model):
    with pytest.raises(DataError, match="2 ids, 3 embeddings and 3 sources"):
        DocumentIndex(["a", "b"], index.embeddings, "", {}, index.sources)
    with pytest.raises(DataError, match="3 ids, but only 2"):
        DocumentIndex(["a", "b", "a"], index.embeddings, "", {})
    with pytest.raises(DataError, match="0 documents and 0 ids"):
        DocumentIndex.build(model, [], [])
    with pytest.raises(DataError, match="1 documents and 2 ids"):
        DocumentIndex.build(model, ["a", "b"], ["x.png"])


def test_manifest_is_readable(tmp_path, index):
    index.save(tmp_path)
    values = json.loads((tmp_path / "index.json").read_text())
    tokens = {"layer": -1, "document_tokens": "content", "pooled_token": "keep"}
    assert values["settings"] == {**tokens, "width": None, "pool_factor": 1, "stored_as": "float32"}
    assert values["sources"][0] == {"path": "a.png", "size": 10, "mtime_ns": 20, "digest": "a" * 32}
