"""Adapter -> merged -> each library, on held-out pages like the quickstart's: the same cosines, the same rankings."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.export import export_model
from tests.export.conftest import adapt
from tests.models.conftest import make_model
from tests.models.text_folders import WORDS, decoder_folder, encoder_folder

sentence_transformers = pytest.importorskip("sentence_transformers", minversion="6.0")
SCRIPT = Path(__file__).parents[2] / "data" / "local-binding" / "build.py"
LOADING = {"device": "cpu", "local_files_only": True, "model_kwargs": {"dtype": torch.float32}}


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """(queries, pages) as the quickstart's script draws them."""
    spec = importlib.util.spec_from_file_location("local_binding_build", SCRIPT)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("binding") / "built"
    module.main(["--output", str(folder), "--train-pages", "8", "--held-out-pages", "24", "--queries-per-page", "1"])
    rows = [json.loads(line) for line in (folder / "held_out.jsonl").read_text().splitlines()]
    names = [row["positive"]["image"] if isinstance(row["positive"], dict) else row["positive"] for row in rows]
    return [row["query"] for row in rows], [Image.open(folder / name).convert("RGB") for name in names]


def sentences(count):
    generator = torch.Generator().manual_seed(7)
    return [" ".join(WORDS[i] for i in torch.randint(12, (6,), generator=generator)) for _ in range(count)]


def base_of(family, folder):
    if family == "qwen3_vl_embedding":
        model = make_model(scoring=ScoringConfig(document_tokens="visual"))  # the quickstart's
    elif family == "text_encoder":
        model = SmartModel.from_config(encoder_folder(folder.with_name("source")), init_std=0.3)
    else:
        model = SmartModel.from_config(decoder_folder(folder.with_name("source")), init_std=0.3)
    model.save_pretrained(folder)
    return folder


def assert_same_ranking(found, expected):
    """Best first, `found` ranks as `expected` does; documents may change places where they score within 1e-5."""
    in_order = expected.gather(1, found.argsort(dim=1, descending=True))
    rise = in_order[:, 1:] - in_order[:, :-1].cummin(dim=1).values
    assert rise.max() < 1e-5, rise.max()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(
            "qwen3_vl_embedding",
            marks=pytest.mark.skipif(not is_torchvision_available(), reason="its processor needs torchvision"),
        ),
        "text_encoder",
        "text_decoder",
    ],
)
def test_rankings_are_the_same_everywhere(family, dtype, held_out, tmp_path):
    queries, documents = held_out if family == "qwen3_vl_embedding" else (sentences(24), sentences(60)[24:])
    adapt(base_of(family, tmp_path / "base")).save_pretrained(tmp_path / "adapter")
    export_model(tmp_path / "adapter", tmp_path / "export", dtype=dtype)
    # float32 is held against the unmerged adapter, bfloat16 against what rounding left of it.
    reference = tmp_path / ("adapter" if dtype == "float32" else "export")
    model = SmartModel.from_pretrained(reference, dtype="float32", device="cpu")
    ours = model.encode_query(queries), model.encode_document(documents)
    hybrid = model.similarity(*ours)

    folder = str(tmp_path / "export")
    single = sentence_transformers.SentenceTransformer(folder, **LOADING)
    pooled = [torch.tensor(single.encode_query(queries)), torch.tensor(single.encode_document(documents))]
    for mine, theirs in zip(ours, pooled, strict=True):
        assert (1 - (mine.pooled * theirs).sum(dim=1)).abs().max() < 1e-4
    several = sentence_transformers.MultiVectorEncoder(folder, **LOADING)
    late = several.similarity(several.encode_query(queries), several.encode_document(documents))
    weights = model.scoring
    theirs = weights.pooled_weight * (pooled[0] @ pooled[1].T) + weights.late_weight * late
    torch.testing.assert_close(theirs, hybrid, atol=1e-4, rtol=0)
    assert (hybrid.max(dim=1).values - hybrid.min(dim=1).values).min() > 1e-2, (
        "documents must differ, or ranks mean nothing"
    )
    assert_same_ranking(theirs, hybrid)
