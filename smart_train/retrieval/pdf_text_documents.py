"""Pages of PDF files for a model that reads no images: their text, in parts that the model reads whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from smart_train.data import SourceConfig
from smart_train.data.formats.folders import holds_texts
from smart_train.data.text_chunks import chunks_of, splitter
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.retrieval.encoder import Encoder
from smart_train.types import ModelInput


def as_model_reads(model: Encoder, documents: str | Path | SourceConfig) -> str | Path | SourceConfig:
    """`documents`, and that pages are read as text where there are any (of PDF files, or pictures that OCR reads),
    nothing else was said, and the model reads no images. An encoder of your own that has no family is taken to read
    everything."""
    reads = getattr(getattr(model, "family", None), "modalities", ("image",))
    config = documents if isinstance(documents, SourceConfig) else SourceConfig(Path(documents))
    path = Path(config.path)
    if "image" in reads or config.pages_as is not None or not path.exists():
        return documents
    return replace(config, pages_as="text") if holds_texts(path, config.ocr) else documents


def cut_pages(model: Encoder, documents: Mapping[str, ModelInput]) -> str | None:
    """A line that counts the pages among `documents` whose text is longer than `model` reads, with what to
    do; None where there are none, or where the model has no family that counts tokens."""
    family = getattr(model, "family", None)
    pages = [item for name, item in documents.items() if names_page(name) and "&chunk=" not in name]
    texts = [item for item in pages if item.text is not None and not item.images and item.video is None]
    if family is None or not texts:
        return None
    cut = sum(family.token_count(item, "document", ()) > family.max_length for item in texts)
    if not cut:
        return None
    return (
        f"{cut} of {len(texts)} pages are longer than the {family.max_length} tokens that the model reads, and are cut "
        "off; search reads all of a page, in chunks, and make-pairs --as text makes rows of chunks"
    )


def in_chunks(
    model: Encoder, documents: str | Path | SourceConfig, inputs: Mapping[str, ModelInput]
) -> dict[str, ModelInput]:
    """Where `documents` are pages read as text, those of `inputs` in parts that `model` reads whole:
    `FILE.pdf#page=3&chunk=2`. A page that the model reads whole keeps its id, and so do all other documents.

    Raises:
        ModelError: the model's prompt leaves no room for a text.
    """
    family = getattr(model, "family", None)
    if not isinstance(documents, SourceConfig) or documents.pages_as != "text" or family is None:
        return dict(inputs)
    split = splitter(family)
    made: dict[str, ModelInput] = {}
    for identity, item in inputs.items():
        if not names_page(identity) or item.text is None or item.images or item.video is not None:
            made[identity] = item
        else:
            made.update((name, replace(item, text=part)) for name, part in chunks_of(identity, item.text, split))
    return made


def names_page(identity: str) -> bool:
    """Whether an id is that of a page of a file, or of a picture."""
    return "#page=" in identity or identity.lower().endswith(IMAGE_EXTENSIONS)
