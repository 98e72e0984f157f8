"""Text embedders in wide use: a tiny random model in the layout of each one's folder, beside what sentence-transformers
makes of the same folder. The facts of each layout are in `docs/models.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import PromptConfig
from smart_train.models.families.text_decoder import TASK
from tests.models.text_folders import decoder_folder, encoder_folder

TEXTS = ["the cat sat on the mat", "red page", "a dog sat on a green mat of total revenue " * 12]  # the last is cut
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
LAST = {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}
NORMALIZED = ("Transformer", "Pooling", "Normalize")
NO_PROMPTS: dict[str, Any] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}


class Layout(NamedTuple):
    """The class of the backbone, the pooling, the modules, what config_sentence_transformers.json holds, and prefixes
    that the model's card alone gives."""

    kind: str
    pooling: dict[str, bool]
    modules: tuple[str, ...] = NORMALIZED
    settings: dict[str, Any] = NO_PROMPTS
    card: PromptConfig | None = None


LAYOUTS = {
    "intfloat/multilingual-e5-base": Layout(
        "XLMRoberta", MEAN, card=PromptConfig(query_instruction="query: ", document_instruction="passage: ")
    ),
    "BAAI/bge-m3": Layout("XLMRoberta", CLS, settings={"__version__": {"transformers": "4.33.0"}}),
    "Alibaba-NLP/gte-modernbert-base": Layout("ModernBert", CLS, ("Transformer", "Pooling")),
    "Snowflake/snowflake-arctic-embed-l-v2.0": Layout(
        "XLMRoberta", CLS, settings={**NO_PROMPTS, "prompts": {"query": "query: "}}
    ),
    "Qwen/Qwen3-Embedding-0.6B": Layout(
        "Qwen3", LAST, settings={**NO_PROMPTS, "prompts": {"query": f"Instruct: {TASK}\nQuery:", "document": ""}}
    ),
    "nomic-ai/nomic-embed-text-v1.5": Layout(
        "NomicBert",
        MEAN,
        ("Transformer", "Pooling"),
        card=PromptConfig(query_instruction="search_query: ", document_instruction="search_document: "),
    ),
    "Alibaba-NLP/gte-multilingual-base": Layout("Gte", CLS),
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


def published(layout: Layout, folder: Path) -> Path:
    """A folder with random weights and no file of smart_train."""
    build = encoder_folder if layout.kind != "Qwen3" else decoder_folder
    files = {
        "pooling": {"word_embedding_dimension": 32, **layout.pooling},
        "modules": layout.modules,
        "settings": layout.settings,
    }
    options = {"closes": True} if layout.kind == "Qwen3" else {}
    limits = {"max_seq_length": 48, "do_lower_case": False}
    source = build(folder / "source", layout.kind, limits=limits, **files, **options)
    SmartModel.from_config(source, init_std=0.2).save_pretrained(folder / "published")
    (folder / "published" / "smart_config.json").unlink()
    return folder / "published"


def test_vectors_are_those_of_sentence_transformers(layout: Layout, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = published(layout, tmp_path)
    ours = SmartModel.from_pretrained(folder, prompts=layout.card, device="cpu")
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if layout.card is not None:
        theirs.prompts = {"query": layout.card.query_instruction, "document": layout.card.document_instruction}
    for encode, expected in ((ours.encode_query, theirs.encode_query), (ours.encode_document, theirs.encode_document)):
        vectors = expected(TEXTS, convert_to_tensor=True, normalize_embeddings=True)
        torch.testing.assert_close(encode(TEXTS).pooled, vectors, atol=1e-6, rtol=0)


def test_a_class_of_the_folders_own_is_not_replaced_by_transformers_silently(tmp_path: Path) -> None:
    """As nomic-embed-text-v1.5, gte-multilingual-base and snowflake-arctic-embed-m-v2.0 were published."""
    folder = published(LAYOUTS["Alibaba-NLP/gte-multilingual-base"], tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoModel": "modeling.NewModel"},', 1))
    with pytest.raises(ModelError, match=r"its own class \(modeling.NewModel in config.json\).*remove auto_map"):
        SmartModel.from_pretrained(folder)
