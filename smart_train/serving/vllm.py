"""A client for vLLM: an exported model that runs there gives the `Embeddings` that it gives here.

vLLM's `token_embed` task answers with a state for every token of the prompt; which of them is pooled and which are kept
only the model's family knows, so the client prepares the same prompt and applies its own mask. Text goes over as token
ids. Pages go over as a conversation, which the server renders by the folder's chat template.

Source: vLLM's public documentation and protocol of `/pooling` (vllm/entrypoints/pooling, 0.12 to 0.32).
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ModelError, NonFiniteError
from smart_train.inputs.fetching import NoRedirect
from smart_train.inputs.images import load_image
from smart_train.inputs.model_input import as_model_input
from smart_train.models import TokenProjection, get_family
from smart_train.models.dense_layers import names_served_dense
from smart_train.models.family import Features, Role
from smart_train.models.loading import locate, read_config
from smart_train.models.smart_config import SmartConfig
from smart_train.models.token_projection import CONFIG_NAME as PROJECTION_CONFIG
from smart_train.scoring import ScoringConfig, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from smart_train.utils.terms import GOLDEN_FILE

_SAME_TOKENS = 0.9  # a server in bfloat16 has 0.999; without the Dense layers it is near 0
_UNIT = 1e-3  # how near to 1 every norm must be for states to count as normalised


class VLLMClient:
    """Queries and documents through a vLLM server that holds an exported folder.

    Args:
        url: of the server, such as http://localhost:8000.
        folder: the folder (or Hub id) that the server was started with; its tokenizer, processor and projection are
            used here, its weights are not read.
        model: the server's name for it; None asks the server.
        api_key: sent as a bearer token, never printed.
        timeout: seconds to wait for one answer.
        batch_size: texts per request.

    Raises:
        ModelError: the folder is not an export, or its tokens are not made of the last layer's states.
    """

    def __init__(
        self,
        url: str,
        folder: str | Path,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 120.0,
        batch_size: int = 32,
    ) -> None:
        located = locate(str(folder), weights=False)
        saved = SmartConfig.read(located)
        if saved.family is None or saved.base is not None or saved.scoring is None:
            raise ModelError(f"{folder}: not an export that a server can serve; make one with `smart-train export`")
        # Its Dense layers are linear: the mean of what the server made of the states is what they make of the mean.
        self._golden = located / GOLDEN_FILE if names_served_dense(located) else None
        if get_family(saved.family).token_head is not None and self._golden is None:
            raise ModelError(
                f"{folder}: {saved.family} makes its vectors of states by a head of its own, and the folder names no "
                "Dense layers that vLLM would put them through; encode with SmartModel instead"
            )
        self.url, self.timeout, self.batch_size = url.rstrip("/"), timeout, batch_size
        self.family = get_family(saved.family)(str(located), scoring=saved.scoring, prompts=saved.prompts)
        config = read_config(located).get_text_config()
        self.width = config.hidden_size
        self.projection: TokenProjection | None = None
        if (located / PROJECTION_CONFIG).is_file():
            # The one file of weights that is needed here; on the Hub it was left out above.
            self.projection = TokenProjection.load(locate(str(folder)))
        layers = (saved.scoring.layer,) if self.projection is None else self.projection.layers
        if [layer % (config.num_hidden_layers + 1) for layer in layers] != [config.num_hidden_layers]:
            raise ModelError(
                f"{folder}: tokens are made of hidden state {list(layers)}; vLLM returns only the last one"
            )
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._model = model
        self._opener = urllib.request.build_opener(NoRedirect)

    @property
    def scoring(self) -> ScoringConfig:
        return self.family.scoring

    def encode_query(self, inputs: Any | Sequence[Any]) -> Embeddings:
        """As `SmartModel.encode_query`."""
        return self._encode(inputs, "query")

    def encode_document(self, inputs: Any | Sequence[Any]) -> Embeddings:
        """As `SmartModel.encode_document`. A page is one request."""
        return self._encode(inputs, "document")

    def similarity(self, queries: Embeddings, documents: Embeddings) -> Tensor:
        """The SMART score of every pair, fp32 [Q, N]."""
        return smart_scores(queries, documents, self.scoring)

    def _encode(self, inputs: Any, role: Role) -> Embeddings:
        items = [as_model_input(item) for item in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
        if not items:
            raise ModelError(f"encode_{role}: nothing to encode")
        if self._golden is not None:
            self._check_dense()
        parts = []
        for start in range(0, len(items), self.batch_size):
            batch = items[start : start + self.batch_size]
            features = self.family.featurize(batch, role)
            parts.append(self._read(self._states(batch, features, role), features))
        return Embeddings.concatenate(parts)

    def _check_dense(self) -> None:
        """Raises ModelError unless the server applies the folder's Dense layers: where it cannot load them it logs so,
        and answers states as wide. The export's golden vectors tell the two apart."""
        assert self._golden is not None
        path, self._golden = self._golden, None
        try:
            with safe_open(path, "pt") as file:
                text = json.loads(file.metadata()["inputs"])["query"][0]["text"]
                expected = file.get_tensor("query.tokens")[: int(file.get_tensor("query.offsets")[1])]
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{path}: cannot be read ({error}); its vectors show whether the server applies the Dense layers of "
                f"{self.family.name}: name a folder that `smart-train export` wrote"
            ) from error
        found = self.encode_query(text).tokens[0]
        likeness = (found * expected).sum(dim=-1).mean().item() if found.shape == expected.shape else 0.0
        if likeness < _SAME_TOKENS:
            raise ModelError(
                f"{self.url}: does not apply the Dense layers of {self.family.name}: the mean cosine of its tokens "
                f"with those of the export is {likeness:.2f}, and must be at least {_SAME_TOKENS}; start it with this "
                "folder, and look into its log for why it did not load them"
            )

    def _states(self, items: Sequence[ModelInput], features: Features, role: Role) -> list[Tensor]:
        """The last layer's states [T, H] of every item, T as here."""
        lengths = features["attention_mask"].sum(dim=1).tolist()
        ids = [row[:length] for row, length in zip(features["input_ids"].tolist(), lengths, strict=True)]
        texts = [row for row, item in enumerate(items) if not item.images and item.video is None]
        states: dict[int, Tensor] = {}
        if texts:
            answers = self._ask({"input": [ids[row] for row in texts]}, len(texts))
            states.update(zip(texts, answers, strict=True))
        for row, item in enumerate(items):
            if row not in states:
                conversation = {"messages": self._conversation(item, role), "add_generation_prompt": True}
                (states[row],) = self._ask(conversation, 1)
        for row, length in enumerate(lengths):
            if states[row].shape != (length, self.width):
                raise ModelError(
                    f"{self.url}: {tuple(states[row].shape)} states for a prompt that is ({length}, {self.width}) "
                    "here: the server has another model, processor or length limit than this folder"
                )
        return [states[row] for row in range(len(items))]

    def _conversation(self, item: ModelInput, role: Role) -> list[dict[str, Any]]:
        messages = self.family.conversation(item, role)
        if messages is None or item.video is not None:
            what = "video" if item.video is not None else "images"
            raise ModelError(
                f"{self.family.name}: vLLM does not process its {what} as in training; encode them with "
                "smart_train instead"
            )
        urls = iter([_data_url(image) for image in item.images])
        for message in messages:
            message["content"] = [
                {"type": "image_url", "image_url": {"url": next(urls)}} if part["type"] == "image" else part
                for part in message["content"]
            ]
        return messages

    def _ask(self, prompt: dict[str, Any], count: int) -> list[Tensor]:
        # As they are: a mean of states, or a projection, is not that of normalised ones.
        options = {
            "task": "token_embed",
            "use_activation": False,
            "encoding_format": "base64",
            "embed_dtype": "float32",
        }
        answer = self._call("/pooling", {"model": self.name, **prompt, **options})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            states = [read_states(row["data"], self.width) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.url}: not an answer of /pooling ({type(error).__name__}: {error})") from error
        if len(states) != count:
            raise ModelError(f"{self.url}: {len(states)} answers to {count} prompts")
        return states

    @property
    def name(self) -> str:
        """The server's name for its model."""
        if self._model is None:
            answer = self._call("/v1/models", None)
            try:
                self._model = str(answer["data"][0]["id"])
            except (LookupError, TypeError) as error:
                raise ModelError(f"{self.url}/v1/models: names no model; is it a vLLM server?") from error
        return self._model

    def _call(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self._headers)
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            raise ModelError(f"{self.url}{path}: the server answered {error.code}: {said}") from error
        # URLError, timeouts and dropped connections are OSErrors; one that is cut in an answer is an HTTPException.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise ModelError(
                f"{self.url}{path}: no answer ({reason}); is the server up (vllm serve DIR --runner pooling)?"
            ) from error

    @torch.no_grad()
    def _read(self, states: list[Tensor], features: Features) -> Embeddings:
        """States of the server -> Embeddings, by this side's pooled position and token mask."""
        if not all(bool(item.isfinite().all()) for item in states):
            raise NonFiniteError(
                f"{self.url}: returned states that hold NaN or infinity, which would rank without an error: start the "
                "server with a dtype that holds this model's values (--dtype bfloat16 or float32)"
            )
        raw_needed = "pooled_mask" in features or self.projection is not None
        if raw_needed and all(bool(((item.norm(dim=-1) - 1).abs() < _UNIT).all()) for item in states):
            raise ModelError(
                f"{self.url}: returned normalised states, but this model's mean or projection needs them as they are; "
                "use a vLLM that supports use_activation (0.12 or newer)"
            )
        pooled, tokens = [], []
        for row, item in enumerate(states):
            if "pooled_mask" in features:
                pooled.append(item[features["pooled_mask"][row, : len(item)]].mean(dim=0))
            else:
                pooled.append(item[features["pooled_index"][row]])
            kept_states = item[features["token_mask"][row, : len(item)]]
            tokens.append(F.normalize(kept_states if self.projection is None else self.projection(kept_states), dim=-1))
        return Embeddings(F.normalize(torch.stack(pooled), dim=-1), tokens)


def read_states(data: list[list[float]] | str, width: int) -> Tensor:
    """One answer's `data`, nested lists or base64 of little-endian float32 -> fp32 [T, width].

    Raises:
        ValueError: numbers that do not make rows of `width`.
    """
    if isinstance(data, str):
        flat = np.frombuffer(base64.b64decode(data, validate=True), dtype="<f4")
        return torch.from_numpy(flat.reshape(-1, width).copy())
    return torch.tensor(data, dtype=torch.float32).reshape(len(data), -1)


def _data_url(image: Any) -> str:
    buffer = io.BytesIO()
    load_image(image).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
