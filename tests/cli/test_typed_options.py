"""Errors name the option that was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.cli.rows import as_options, naming_documents
from smart_train.cli.typed_options import as_option, as_reading_options, naming_options
from smart_train.errors import DataError
from smart_train.models.loading import _TRUST
from smart_train.models.locating import _SAY


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("tune: stored_as 'int3': choose one of int8", "--stored-as 'int3': choose one of int8"),
        ("tune: weights: is empty", "--weights: is empty"),
        ("mining first_rank is 0; it must be at least 1", "--first-rank is 0; it must be at least 1"),
        ("mining: ranks 1 to 2 hold fewer; raise last_rank", "mining: ranks 1 to 2 hold fewer; raise --last-rank"),
        ("weights.safetensors: cannot be read", "weights.safetensors: cannot be read"),
        ("runs/first_rank: holds weights of stored_asides", "runs/first_rank: holds weights of stored_asides"),
        ("data.evaluation.stored_as: unknown key", "data.evaluation.stored_as: unknown key"),
        ("tune: pooled: last_rank/a.png: not found", "tune: pooled: last_rank/a.png: not found"),
        ("weights of the model are missing", "weights of the model are missing"),
        ("weights 1:nan: must be finite", "--weights 1:nan: must be finite"),
        ("tune: weights nan:1: must be finite", "--weights nan:1: must be finite"),
        (
            "mining: no row of 8 has 4 negatives. Candidates left out: 3. Lower first_rank or negatives, raise "
            "last_rank, margin or max_score",
            "mining: no row of 8 has 4 negatives. Candidates left out: 3. Lower --first-rank or --negatives, raise "
            "--last-rank, --margin or --max-score",
        ),
        (
            "mining candidates: no first stage; leave candidates out",
            "--candidates: no first stage; leave --candidates out",
        ),
        (
            "mining candidates 5: late only; leave margin, candidates.",
            "--candidates 5: late only; leave --margin, --candidates.",
        ),
        (
            "search: candidates is 2, fewer than the first_rank of 3; raise candidates, or leave candidates out",
            "--candidates is 2, fewer than the --first-rank of 3; raise --candidates, or leave --candidates out",
        ),
        ("two stages (candidates) need none", "two stages (--candidates) need none"),
        ("raise negatives of a kind, leave the weights out", "raise negatives of a kind, leave the weights out"),
    ],
)
def test_a_name_becomes_the_option_where_it_is_meant(message: str, told: str) -> None:
    names = ("stored_as", "weights", "first_rank", "last_rank", "negatives", "margin", "max_score", "candidates")
    assert as_option(message, names) == told
    with pytest.raises(DataError) as error, naming_options(*names):
        raise DataError(message)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "data source x.csv: sample_seed needs max_samples, as in max_samples: 1000",
            "data source x.csv: --sample-seed needs --max-samples, as in --max-samples 1000",
        ),
        (
            "x.csv: split 'a': a file has no splits; leave split out",
            "x.csv: --split 'a': a file has no splits; leave --split out",
        ),
        ("data source x: streaming needs max_samples", "data source x: --streaming needs --max-samples"),
        (
            "data source x: dpi is 9, but pages_as is text; leave dpi out",
            "data source x: --dpi is 9, but --pages-as is text; leave --dpi out",
        ),
        ("(pages_as: text; --pages-as text)", "(--pages-as text)"),
        (
            "(have a text: pages_as: text in a recipe, --pages-as text on the command line; x)",
            "(have a text: --pages-as text; x)",
        ),
        ("  data.evaluation.columns.frage: unknown key", "  --columns frage: unknown key"),
        ("x.csv: columns.query: there is no column 'a'", "x.csv: --columns query: there is no column 'a'"),
        (
            "data.test.path: 'x'; names the rows of data.evaluation, which",
            "--test: 'x'; names the rows of --data, which",
        ),
        ("data.evaluation: x.csv: row 3: is empty", "--data: x.csv: row 3: is empty"),
        (
            "data.test/a.csv: a split of its documents, not found",
            "data.test/a.csv: a split of its documents, not found",
        ),
        ("runs/max_samples: is a folder", "runs/max_samples: is a folder"),
        ("columns.csv: no such file or folder", "columns.csv: no such file or folder"),
        (
            "columns.jsonl: columns.query: there is no column 'x'",
            "columns.jsonl: --columns query: there is no column 'x'",
        ),
        ("x.csv: columns.qery: unknown, did you mean query?", "x.csv: --columns qery: unknown, did you mean query?"),
        ("image_root/a.png: no such file", "image_root/a.png: no such file"),
        ("data.corpus.jsonl: not found", "data.corpus.jsonl: not found"),
        ("data.documents/a.pdf: not found", "data.documents/a.pdf: not found"),
        ("data.documents: a.pdf: or set image_root.", "--documents: a.pdf: or set --image-root."),
    ],
)
def test_keys_of_rows_become_the_options_that_set_them(message: str, told: str) -> None:
    assert as_options(message) == told


def test_a_message_begins_with_the_option_that_gave_the_place() -> None:
    for message, told in (
        ("documents a/b: no image in it", "--documents a/b: no image in it"),
        ("document index a: cannot be written", "--index a: cannot be written"),
        ("documents a/bc: no image in it", "documents a/bc: no image in it"),
        ("read documents a/b: no image in it", "read documents a/b: no image in it"),
        ("data source a/b: dpi is 9, but pages_as is text", "data source a/b: --dpi is 9, but --pages-as is text"),
    ):
        with pytest.raises(DataError) as error, naming_documents(Path("a/b"), Path("a")):
            raise DataError(message)
        assert str(error.value) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("m: read it, then " + _TRUST, "m: read it, then pass --trust-remote-code"),
        ("m: is not there; " + _SAY, "m: is not there; say where it lies: --base"),
        ("model.family (--family on the command line) 'x' is unknown", "--family 'x' is unknown"),
        ("Name one with model.family if you know that it fits", "Name one with --family if you know that it fits"),
        ("m: has several; set model.family (--family on the command line)", "m: has several; pass --family"),
        ("Leave model.family out", "Leave --family out"),
        ("runs/model.family/x: is missing", "runs/model.family/x: is missing"),
    ],
)
def test_how_a_model_is_read_is_told_by_options_alone(message: str, told: str) -> None:
    assert as_reading_options(message) == told
