"""The libraries that can read an exported folder, each driven as its users drive it, on the inputs of `golden`.

A route loads the folder in float32 on the CPU, whatever its weights' dtype, so that what is compared is how the folder
is read and not how a machine rounds.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel
from transformers.utils import is_torchvision_available

from smart_train.errors import ExportError
from smart_train.export.embedder_layout import needs_smart_train
from smart_train.export.golden import Golden
from smart_train.models import SmartModel, get_family
from smart_train.models.added_tokens import embeddings_of
from smart_train.models.family import Family, Features
from smart_train.models.loading import locate_base, own_class
from smart_train.models.peft import ADAPTER_CONFIG
from smart_train.models.readout import READOUT
from smart_train.models.saving import is_unused
from smart_train.models.sentence_transformers_files import MODULES
from smart_train.models.smart_config import SmartConfig
from smart_train.serving import VLLMClient
from smart_train.types import ModelInput

LIBRARY = ("SentenceTransformer", "MultiVectorEncoder")  # the two classes of sentence-transformers


class Reading(NamedTuple):
    """The vectors and scores that a route gives for the golden inputs; None for what it does not give. Queries first,
    documents second.

    `documents` are the places of the documents that it encoded; None: all.
    """

    pooled: tuple[Tensor, Tensor] | None = None
    tokens: tuple[list[Tensor], list[Tensor]] | None = None
    late: Tensor | None = None
    hybrid: Tensor | None = None
    documents: list[int] | None = None


@dataclass(frozen=True)
class Route:
    """A library that reads the folder.

    Attributes:
        name: as its users know it.
        read: (folder, golden) -> Reading.
        obstacle: folder -> why it cannot be run here, None where it can.
        needs: folder -> what else must be installed to read it so, None where nothing.
    """

    name: str
    read: Callable[[Path, Golden], Reading]
    obstacle: Callable[[Path], str | None] = lambda folder: None
    needs: Callable[[Path], str | None] = lambda folder: None


def release(module: nn.Module) -> None:
    """Frees the weights of a model that has done its part. A reference alone would not: models hold cycles, and several
    of them would be in memory until the collector comes by."""
    for value in (*module.parameters(), *module.buffers()):
        value.data = value.data.new_empty(0)


def routes_of(folder: Path, base: str | Path | None = None) -> tuple[Route, ...]:
    """The ways to read `folder`: an adapter with its base, a whole model alone.

    Args:
        base: where an adapter's base lies, if not where `folder` says.

    Raises:
        ExportError: it is not a model folder of smart_train.
    """
    saved = SmartConfig.read(folder)
    if saved.family is None:
        raise ExportError(f"{folder}: no smart_config.json; make the folder with `smart-train export`")
    if saved.named_base is None:
        if base is not None:
            raise ExportError(f"{folder}: holds a whole model, which needs no base; leave base {str(base)!r} out")
        return _MERGED
    adapted = Route("smart_train", partial(_smart_train, base=base), partial(_code_obstacle, base=base))
    if not (folder / ADAPTER_CONFIG).is_file():
        return (adapted,)
    return adapted, Route("peft", partial(_peft, base=base), partial(_peft_obstacle, base=base))


def vllm_route(url: str) -> Route:
    """The vLLM server at `url`, which must hold the folder."""

    def read(folder: Path, golden: Golden) -> Reading:
        client = VLLMClient(url, folder)
        queries = client.encode_query(golden.probe.queries)
        documents = client.encode_document(golden.probe.documents)
        hybrid = client.similarity(queries, documents)
        return Reading((queries.pooled, documents.pooled), (queries.tokens, documents.tokens), hybrid=hybrid)

    return Route("vllm", read)


def _smart_train(folder: Path, golden: Golden, base: str | Path | None = None) -> Reading:
    model = SmartModel.from_pretrained(folder, dtype="float32", device="cpu", base=base)
    queries, documents = golden.probe.encode(model)
    hybrid = model.similarity(queries, documents)
    release(model)
    return Reading((queries.pooled, documents.pooled), (queries.tokens, documents.tokens), hybrid=hybrid)


def _transformers(folder: Path, golden: Golden) -> Reading:
    backbone, report = AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    family = get_family(SmartConfig.read(folder).family)
    for kind in ("missing", "unexpected"):
        names = sorted(name for name in report[f"{kind}_keys"] if not is_unused(name, family, backbone))
        if names:
            raise ExportError(f"{folder}: transformers finds {len(names)} {kind} weight(s), the first {names[0]!r}")
    return _pooled_states(backbone, golden)


def _peft(folder: Path, golden: Golden, base: str | Path | None = None) -> Reading:
    backbone = AutoModel.from_pretrained(_weights_of(folder, base), dtype=torch.float32)
    if (rows := embeddings_of(folder)) > backbone.get_input_embeddings().num_embeddings:
        backbone.resize_token_embeddings(rows, mean_resizing=False)  # new rows are the adapter's
    return _pooled_states(PeftModel.from_pretrained(backbone, folder), golden)


@torch.no_grad()
def _pooled_states(backbone: nn.Module, golden: Golden) -> Reading:
    backbone.eval()
    pooled = (_pool(backbone, golden.features["query"]), _pool(backbone, golden.features["document"]))
    release(backbone)
    return Reading(pooled)


def _pool(backbone: nn.Module, features: Features) -> Tensor:
    inputs = {name: value for name, value in features.items() if name not in READOUT}
    states = backbone(**inputs).last_hidden_state
    if "pooled_mask" in features:
        mask = features["pooled_mask"].unsqueeze(-1)
        return F.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)
    return F.normalize(states[torch.arange(len(states)), features["pooled_index"]], dim=-1)


def _sentence_transformer(folder: Path, golden: Golden) -> Reading:
    from sentence_transformers import SentenceTransformer

    with _quiet():
        model = SentenceTransformer(str(folder), trust_remote_code=needs_smart_train(folder), **_LOADING)
        encode = (model.encode_query, model.encode_document)
        sides = zip(encode, (golden.probe.queries, golden.probe.documents), strict=True)
        queries, documents = (torch.stack(_by_modality(function, items)) for function, items in sides)
        release(model)
    return Reading((queries, documents))


def _multi_vector_encoder(folder: Path, golden: Golden) -> Reading:
    from sentence_transformers import MultiVectorEncoder

    with _quiet():
        needs_code = needs_smart_train(folder)
        model = MultiVectorEncoder(str(folder), trust_remote_code=needs_code, **_LOADING)
        probe = golden.probe
        places = list(range(len(probe.documents)))
        scoring = SmartConfig.read(folder).scoring
        if not needs_code and scoring is not None and scoring.document_tokens == "visual":
            # Of a text we keep the pooled token, and that library nothing at all: such a model is one of pages.
            places = [place for place in places if probe.documents[place].images]
        queries = _by_modality(model.encode_query, probe.queries)
        documents = _by_modality(model.encode_document, tuple(probe.documents[place] for place in places))
        release(model)
        return Reading(tokens=(queries, documents), late=model.similarity(queries, documents), documents=places)


# local_files_only: the folder is whole, and a check must not depend on the Hub.
_LOADING: dict[str, Any] = {
    "device": "cpu",
    "local_files_only": True,
    "model_kwargs": {"dtype": torch.float32},
}


def _by_modality(encode: Callable[..., Any], items: tuple[ModelInput, ...]) -> list[Tensor]:
    """One embedding per item, in order. Texts and pages go in as two lists, as that library's users pass them."""
    embeddings: list[Tensor | None] = [None] * len(items)
    for belongs in (lambda item: not item.images, lambda item: bool(item.images)):
        rows = [row for row, item in enumerate(items) if belongs(item)]
        values = [items[row].images[0] if items[row].images else items[row].text for row in rows]
        encoded = encode(values, batch_size=8, show_progress_bar=False) if values else []
        for row, value in zip(rows, encoded, strict=True):
            embeddings[row] = torch.as_tensor(value)
    return [value for value in embeddings if value is not None]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the notices of a class that reads another's layout, which is what the layout is made for."""
    logger = logging.getLogger("sentence_transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _weights_of(folder: Path, base: str | Path | None) -> Path:
    """The folder whose weights the model in `folder` takes: its base's, or its own."""
    named = SmartConfig.read(folder).named_base
    return folder if named is None else locate_base(named, folder, base)


def _code_obstacle(folder: Path, base: str | Path | None = None) -> str | None:
    """Why no library here reads a model that brings Python code: to check a folder is not to trust it."""
    needed = own_class(_weights_of(folder, base), get_family(SmartConfig.read(folder).family))
    return None if needed is None else f"the model needs its own Python code ({needed}), which is not run here"


def sentence_transformers_obstacle(folder: Path) -> str | None:
    """Why sentence-transformers cannot read `folder` here; None where it can."""
    if (obstacle := _code_obstacle(folder)) is not None:
        return obstacle
    if find_spec("sentence_transformers") is None:
        return "sentence-transformers is not installed"
    import sentence_transformers

    if not hasattr(sentence_transformers, "MultiVectorEncoder"):
        return f"sentence-transformers {sentence_transformers.__version__} is older than 6.0"
    if not (folder / MODULES).is_file():
        return "the folder has no layout for it"
    modalities = get_family(SmartConfig.read(folder).family).modalities
    if "image" in modalities and not needs_smart_train(folder) and not is_torchvision_available():
        return "its image processors need torchvision, which is not installed"
    return None


def _token_obstacle(folder: Path) -> str | None:
    obstacle = sentence_transformers_obstacle(folder)
    if obstacle is not None or needs_smart_train(folder):
        return obstacle
    if ".MultiVectorMask" not in (folder / MODULES).read_text(encoding="utf-8"):
        return "the folder's layout supports only the pooled vector"
    return obstacle


def _states_obstacle(folder: Path, base: str | Path | None = None) -> str | None:
    """Why transformers' states, pooled, are not the pooled vector, or cannot be compared here; None where they are."""
    return head_obstacle(get_family(SmartConfig.read(folder).family)) or _code_obstacle(folder, base)


def head_obstacle(family: type[Family]) -> str | None:
    """Why states of transformers, pooled, are not the pooled vector of `family`; None where they are."""
    if family.token_head is None:
        return None
    what = "tokens are" if family.late_only else "pooled vector is"
    return f"{family.name}'s {what} made of its states by {family.token_head}, which transformers lacks"


def _peft_obstacle(folder: Path, base: str | Path | None = None) -> str | None:
    return _states_obstacle(folder, base) or get_family(SmartConfig.read(folder).family).base_obstacle


def _beside(folder: Path) -> str | None:
    return "smart_train must be installed too" if needs_smart_train(folder) else None


_MERGED = (
    Route("smart_train", _smart_train, _code_obstacle),
    Route("transformers", _transformers, _states_obstacle),
    Route(LIBRARY[0], _sentence_transformer, sentence_transformers_obstacle, _beside),
    Route(LIBRARY[1], _multi_vector_encoder, _token_obstacle, _beside),
)
