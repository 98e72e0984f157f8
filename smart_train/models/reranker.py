"""Qwen3-VL-Reranker (2B, 8B) as a teacher: how well a document answers a query, by a model that reads both together.

    score = sigmoid(<w_yes - w_no, h>)    h: the last state of the prompt, w: rows of the language model's head

Sources: `Qwen3VLReranker` of github QwenLM/Qwen3-VL-Embedding, src/models/qwen3_vl_reranker.py (prompt, default
instruction, bounds of images, length, the score). Images, frames and videos are read as Qwen3-VL-Embedding reads them,
whose repository it is. Text beyond the length is cut from the document; the published script cuts the end of whatever
is not a special token, the document's markers included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText

from smart_train.errors import ModelError, NonFiniteError
from smart_train.inputs.images import load_images
from smart_train.models.families.qwen3_vl import EMPTY_INPUT, Qwen3VLEmbedding
from smart_train.models.family import Features, last_valid
from smart_train.models.loaded_weights import read_from, weight_files
from smart_train.models.loading import chosen_device, library_errors, read_config
from smart_train.models.locating import locate
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.reading import check_weights
from smart_train.models.smart_config import SmartConfig
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput

_TASK = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the "
    'answer can only be "yes" or "no".'
)
_ANSWERS = ("yes", "no")


class PairReader(Qwen3VLEmbedding):
    """Prompts of a query and a document together. Not a family: it embeds neither."""

    name = "qwen3_vl_reranker"
    default_query_instruction = "Given a search query, retrieve relevant candidates that answer the query."
    default_max_length = 10240

    def pair_prompt(self, query: ModelInput, document: ModelInput, text: str | None = None) -> str:
        """The prompt of one pair; `text` stands in for the document's."""
        content = [{"type": "text", "text": f"<Instruct>: {self.instruction(query, 'query')}"}]
        for prefix, item, words in (
            ("<Query>:", query, query.text),
            ("\n<Document>:", document, document.text if text is None else text),
        ):
            self.check_modalities(item)
            seen = [{"type": "video"}] if item.video is not None else []
            seen += [{"type": "image"} for _ in item.images]
            if words or not seen:
                seen.append({"type": "text", "text": self._defuse(words or "") or EMPTY_INPUT})
            content += [{"type": "text", "text": prefix}, *seen]
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": [{"type": "text", "text": _TASK}]},
            {"role": "user", "content": content},
        ]
        return self.chat(messages, generation_prompt=True)

    def pairs(self, query: ModelInput, documents: Sequence[ModelInput]) -> Features:
        """Tensors of one forward for `query` with each of `documents`, right-padded, on the CPU."""
        items = [item for document in documents for item in (query, document)]
        images = [self._sized(image) for image in load_images([image for item in items for image in item.images])]
        videos = [self.read_video(item.video) for item in items if item.video is not None]
        prompts = [self.pair_prompt(query, document) for document in documents]
        features = self._tokenize(prompts, images, videos)
        if features["attention_mask"].shape[1] > self.max_length:
            lengths = features["attention_mask"].sum(dim=1).tolist()
            prompts = [self._cut(query, item, length) for item, length in zip(documents, lengths, strict=True)]
            features = self._tokenize(prompts, images, videos)
        return features

    def _cut(self, query: ModelInput, document: ModelInput, length: int) -> str:
        """The prompt of a pair of `length` tokens, with the document's text cut to `max_length`."""
        excess = length - self.max_length
        if excess <= 0:
            return self.pair_prompt(query, document)
        tokens = self.tokenizer(self._defuse(document.text or ""), add_special_tokens=False)["input_ids"]
        room = len(tokens) - excess - 4  # of slack: cut text may merge differently with what follows it
        if room <= 0:
            raise ModelError(
                f"a query and a document need {length:,} tokens together, of which {len(tokens):,} are the document's "
                f"text; the reranker reads {self.max_length:,}: use smaller images or a shorter query"
            )
        return self.pair_prompt(query, document, self.tokenizer.decode(tokens[:room]))


class Reranker(nn.Module):
    """Scores documents for a query, each read together with it.

    Args:
        backbone: a Qwen3-VL. reader: what makes its prompts.
        direction: [H], the head's row for "yes" minus its row for "no".
    """

    direction: Tensor

    def __init__(self, backbone: nn.Module, reader: PairReader, direction: Tensor) -> None:
        super().__init__()
        self.backbone, self.family = backbone, reader
        self.register_buffer("direction", direction)

    @torch.no_grad()
    def scores(self, query: ModelInput, documents: Sequence[ModelInput], *, batch_size: int = 8) -> list[float]:
        """How well each of `documents` answers `query`, 0 to 1.

        Raises:
            ModelError: a pair needs more tokens than the model reads. NonFiniteError: the model gives NaN.
            DataError: an input cannot be read.
        """
        scores: list[float] = []
        for start in range(0, len(documents), batch_size):
            features = self.family.pairs(query, documents[start : start + batch_size])
            inputs = {name: value.to(self.direction.device) for name, value in features.items()}
            states = self.backbone(**inputs, use_cache=False, return_dict=True).last_hidden_state
            rows = torch.arange(len(states), device=states.device)
            last = states[rows, last_valid(inputs["attention_mask"])]
            answers = (last.float() @ self.direction).sigmoid()
            if not bool(answers.isfinite().all()):
                raise NonFiniteError(
                    f"{self.family.folder}: the reranker gives scores that are NaN: its weights are damaged, or its "
                    "dtype cannot hold its values; fetch it again, or load it as float32"
                )
            scores += answers.tolist()
        return scores


def load_reranker(
    name_or_path: str,
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    revision: str | None = None,
) -> Reranker:
    """The reranker in a folder or on the Hub.

    Args:
        dtype: None: as saved on a GPU, float32 on a CPU. device: None takes the GPU when there is one.

    Raises:
        ModelError: nothing loadable is there, or it is not a Qwen3-VL that can answer "yes" and "no".
    """
    folder = locate(name_or_path, revision)
    check_weights(folder)
    if (family := SmartConfig.read(folder).family) is not None:
        raise ModelError(
            f"{folder}: an embedder of smart_train ({family}), which was not trained to answer yes or no; mine with it "
            "as the model (--model, --score), or name a reranker"
        )
    model_type = read_config(folder).model_type
    if model_type not in PairReader.model_types:
        raise ModelError(
            f"{folder}: its config.json says model_type {model_type!r}; a reranker is read as Qwen3-VL-Reranker, which "
            f"is {' or '.join(PairReader.model_types)}"
        )
    reader = PairReader(str(folder), scoring=ScoringConfig(), prompts=PromptConfig())
    vocabulary = reader.tokenizer.get_vocab()
    missing = [answer for answer in _ANSWERS if answer not in vocabulary]
    if missing:
        raise ModelError(
            f"{folder}: its tokenizer has no single token {missing[0]!r}, by which Qwen3-VL-Reranker answers; use that "
            "model's own files"
        )
    device = chosen_device(device)
    if dtype is None:
        dtype = "auto" if device.type == "cuda" else "float32"
    files = weight_files(folder)
    with library_errors(folder, "the weights cannot be loaded"):
        # transformers' types know one returned value only.
        model, report = cast(Any, AutoModelForImageTextToText).from_pretrained(
            folder, dtype=dtype, device_map={"": device}, output_loading_info=True
        )
    if report["missing_keys"]:
        names = sorted(report["missing_keys"])
        raise ModelError(f"{folder}: {len(names)} missing weight(s), the first {names[0]!r}; fetch the folder again")
    head = model.get_output_embeddings().weight.detach().float()
    yes, no = (head[vocabulary[answer]] for answer in _ANSWERS)
    return read_from(files, Reranker(model.model, reader, yes - no).eval())
