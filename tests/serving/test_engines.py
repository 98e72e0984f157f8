"""Embeddings as engines take them: every number where it belongs, and Qdrant's limit before the first point."""

import errno
import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from smart_train import Embeddings
from smart_train.cli import main
from smart_train.errors import BusyError, DataError, WriteError
from smart_train.scoring import score_parts
from smart_train.serving import read_plaid, write_plaid, write_qdrant
from smart_train.serving.qdrant import QDRANT_LIMIT, qdrant_points, qdrant_query
from smart_train.utils import atomic
from smart_train.utils.locks import beside, only_one
from tests.command import call

IDS = ["b.png", "a.png", "ü.png"]


def made(lengths=(3, 1, 5), width=8):
    tokens = [torch.nn.functional.normalize(torch.randn(length, width), dim=-1) for length in lengths]
    return Embeddings(torch.nn.functional.normalize(torch.randn(len(lengths), 6), dim=-1), tokens)


def test_plaid_lists_come_back_in_order(tmp_path):
    embeddings = made(lengths=[1 + row % 4 for row in range(12)])
    ids = [f"page {row}" for row in range(12)]
    again, tokens = read_plaid(write_plaid(tmp_path / "plaid", ids, embeddings))
    assert again == ids
    for ours, theirs in zip(embeddings.tokens, tokens, strict=True):
        torch.testing.assert_close(theirs, ours, atol=1e-3, rtol=0)


def test_int8_tokens_are_written_as_the_states_they_stand_for(tmp_path):
    embeddings = made()
    _, tokens = read_plaid(write_plaid(tmp_path / "plaid", IDS, embeddings.quantize("int8")))
    torch.testing.assert_close(torch.cat(tokens), embeddings.packed, atol=1e-2, rtol=0)


def test_qdrant_bodies_hold_both_vectors_and_score_as_here(tmp_path):
    documents, query = made(), made(lengths=(4,))
    folder = write_qdrant(tmp_path / "qdrant", IDS, documents)
    points = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    assert [point["payload"]["document_id"] for point in points] == IDS
    assert len({point["id"] for point in points}) == 3
    assert points[0]["id"] == next(iter(qdrant_points(IDS, documents)))["id"], "the same document, the same point"
    vectors = json.loads((folder / "collection.json").read_text())["vectors"]
    assert vectors["pooled"]["size"] == 6 and vectors["tokens"]["size"] == 8
    assert vectors["tokens"]["multivector_config"] == {"comparator": "max_sim"}
    # What Qdrant computes of these bodies, by its documentation: cosine, and the sum over query tokens of the best.
    asked = qdrant_query(query, limit=2, candidates=3)
    rows = torch.tensor(asked["query"])
    expected = score_parts(query, documents)
    for column, point in enumerate(points):
        late = (rows @ torch.tensor(point["vector"]["tokens"]).T).max(dim=1).values.sum() / len(rows)
        pooled = torch.tensor(asked["prefetch"][0]["query"]) @ torch.tensor(point["vector"]["pooled"])
        torch.testing.assert_close(late, expected.late[0, column])
        torch.testing.assert_close(pooled, expected.pooled[0, column])


def test_documents_beyond_qdrants_limit_are_named_before_anything_is_written(tmp_path):
    width = 2048
    fits, over = (QDRANT_LIMIT - 1) // width, QDRANT_LIMIT // width
    assert (fits, over) == (511, 512)
    qdrant_points(["a"], made(lengths=(fits,), width=width))
    with pytest.raises(DataError, match=r"1 document\(s\), the first 'b' with 512 tokens of width 2048") as caught:
        write_qdrant(tmp_path / "qdrant", ["a", "b"], made(lengths=(1, over), width=width))
    assert "that is 511 tokens; shrink them with Embeddings.pool_tokens(2)" in str(caught.value)
    assert not (tmp_path / "qdrant").exists()


def test_the_factor_that_is_advised_suffices():
    large = made(lengths=(1000,), width=2048)
    with pytest.raises(DataError, match=r"pool_tokens\((\d)\)") as caught:
        qdrant_points(["a"], large)
    factor = int(str(caught.value).split("pool_tokens(")[1][0])
    assert -(-1000 // factor) * 2048 < QDRANT_LIMIT


def test_mistakes_are_named(tmp_path):
    for ids in (["a"], ["a", "a", "b"]):
        with pytest.raises(DataError, match="each document needs its own id"):
            write_plaid(tmp_path, ids, made())
    with pytest.raises(DataError, match="2 queries; a request takes exactly one"):
        qdrant_query(made(lengths=(1, 1)), limit=1, candidates=1)
    with pytest.raises(DataError, match="not the folder of smart-train encode --format plaid"):
        read_plaid(tmp_path / "nowhere")


@pytest.mark.parametrize(("write", "last"), [(write_plaid, "ids.json"), (write_qdrant, "points.jsonl")])
def test_a_full_disk_leaves_the_earlier_layout(write, last, tmp_path, monkeypatch):
    """Also where only the last file finds no room: none takes its place before all are on the disk."""
    folder, real = write(tmp_path / "layout", IDS, made()), atomic.sync
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert last in before and len(before) == 2
    with monkeypatch.context() as full:
        full.setattr(atomic, "sync", lambda path: full_disk() if last in path.name else real(path))
        with pytest.raises(WriteError, match=rf"{last}: cannot be written \(No space left on device\)"):
            write(folder, ["b.png", "new.png", "ü.png"], made())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("write", [write_plaid, write_qdrant])
def test_one_process_at_a_time_writes_a_layout(write, tmp_path, monkeypatch):
    monkeypatch.setattr("smart_train.serving.layouts._PATIENCE", 0.0)
    with only_one(beside(tmp_path / "layout"), "another"), pytest.raises(BusyError, match="layout: in use by another"):
        write(tmp_path / "layout", IDS, made())
    write(tmp_path / "layout", IDS, made())


def full_disk():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_ids_of_an_earlier_call_are_not_taken_for_those_of_new_tokens(tmp_path, monkeypatch):
    """A call that ends between two moves leaves as many ids as there are tokens, of other documents."""
    write_plaid(tmp_path, IDS, made())
    with monkeypatch.context() as broken:
        real = os.replace
        broken.setattr(os, "replace", lambda old, new: 1 / 0 if new.name == "ids.json" else real(old, new))
        with pytest.raises(ZeroDivisionError):
            write_plaid(tmp_path, ["b.png", "new.png", "ü.png"], made())
    with pytest.raises(DataError, match="ids.json and tokens.safetensors were not written together; write them again"):
        read_plaid(tmp_path)
    write_plaid(tmp_path, ["b.png", "new.png", "ü.png"], made())
    assert read_plaid(tmp_path)[0] == ["b.png", "new.png", "ü.png"]


def test_a_folder_of_version_0_1_0_is_read(tmp_path):
    write_plaid(tmp_path, IDS, made())
    save_file(load_file(tmp_path / "tokens.safetensors"), tmp_path / "tokens.safetensors")
    assert read_plaid(tmp_path)[0] == IDS


def test_encode_writes_them_beside_the_index(tmp_path, monkeypatch, capsys):
    from PIL import Image

    from tests.models.conftest import make_model

    make_model().save_pretrained(tmp_path / "model")
    (tmp_path / "pages").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (64, 64), "red").save(tmp_path / "pages" / f"{name}.png")
    for engine in ("plaid", "qdrant"):
        command = ["encode", tmp_path / "model", "--documents", tmp_path / "pages", "--index", tmp_path / "index"]
        monkeypatch.setattr(sys, "argv", ["smart-train", *map(str, command), "--format", engine])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    ids, tokens = read_plaid(tmp_path / "index" / "plaid")
    assert ids == ["a.png", "b.png"] and tokens[0].shape[1] == 96
    assert len((tmp_path / "index" / "qdrant" / "points.jsonl").read_text().splitlines()) == 2
    assert "earlier call" not in capsys.readouterr().out, "both are of these documents"
    (tmp_path / "pages" / "b.png").unlink()
    assert call(monkeypatch, *command, "--format", "qdrant") == 0
    told = f"{tmp_path / 'index' / 'plaid'}: holds the documents of an earlier call; write it again with --format plaid"
    assert told in " ".join(capsys.readouterr().out.split())
