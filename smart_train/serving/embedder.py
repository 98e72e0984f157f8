"""Modules by which sentence-transformers reads an export that its own modules cannot express.

The `modules.json` of such a folder names the two classes below, and the library imports them from the smart_train that
is installed beside it. For any class that is not its own it wants `trust_remote_code=True`; no code of the folder is
run. The model in them is a `SmartModel`, so prompts, positions, pooling, layers and filters are those of training.

Written against sentence-transformers 6.2: `base/model.py` (`_load_config_modules`), `multi_vector_encoder/model.py`
(`_load_converted_modules`, which wants a Transformer and a Dense among a folder's modules).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer as LibraryTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.util import load_dir_path
from torch import nn

from smart_train.errors import ModelError
from smart_train.inputs.model_input import as_model_input
from smart_train.models import SmartModel
from smart_train.models.family import Features, Role
from smart_train.models.readout import ForwardOutput
from smart_train.types import ModelInput

_TOKENS = "token_embeddings"


class Transformer(LibraryTransformer):
    """A whole `SmartModel` as the first module: from inputs to `sentence_embedding`, `token_embeddings` and the mask of
    kept tokens.

    It is a Transformer of the library because MultiVectorEncoder takes no folder without one; that class's own loading,
    preprocessing and forward are not used.

    Args:
        smart: the model.
    """

    def __init__(self, smart: SmartModel) -> None:
        super(LibraryTransformer, self).__init__()
        self.smart = smart
        # What the library asks a Transformer for by these names.
        self._query_expansion, self._unpad_inputs, self.can_flatten_inputs = None, False, False

    @classmethod
    def load(  # type: ignore[override]  # the library names every argument, and so must whoever calls this
        cls,
        model_name_or_path: str,
        *,
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        model_kwargs: Mapping[str, Any] | None = None,
        processor_kwargs: Mapping[str, Any] | None = None,
        config_kwargs: Mapping[str, Any] | None = None,
        backend: str = "torch",
        **unused: Any,
    ) -> Transformer:
        """The export at `model_name_or_path`, as the library's classes load their modules.

        Args:
            model_kwargs: `dtype` (or `torch_dtype`; as stored if not given) and `attn_implementation`.
            unused: arguments that every module gets and this one does not need (its subfolder, trust).

        Raises:
            ModelError: another key, another backend than torch, or a folder that does not load.
        """
        options = {name: value for name, value in (model_kwargs or {}).items() if value is not None}
        dtype = options.pop("torch_dtype", "auto")
        dtype = options.pop("dtype", dtype)
        attention = options.pop("attn_implementation", None)
        unknown = sorted({*options, *(processor_kwargs or {}), *(config_kwargs or {})})
        if unknown or backend != "torch":
            raise ModelError(
                f"{model_name_or_path}: {', '.join(unknown) or f'backend {backend!r}'} cannot be set on a model that "
                "smart_train reads; model_kwargs may hold dtype and attn_implementation, all else is set at export"
            )
        folder = load_dir_path(
            model_name_or_path,
            subfolder="",
            token=token,
            cache_folder=cache_folder,
            revision=revision,
            local_files_only=local_files_only,
        )
        if folder is None:
            raise ModelError(f"{model_name_or_path}: not a folder, and it could not be fetched from the Hub")
        return cls(SmartModel.from_pretrained(folder, dtype=dtype, device="cpu", attn_implementation=attention))

    def preprocess(  # type: ignore[override]  # the library's processing_kwargs have no place here
        self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any
    ) -> Features:
        """Inputs -> features of one forward, on the CPU.

        Args:
            inputs: what `SmartModel.encode_query` takes: texts, images, paths, URLs, mappings; mixed as they come.
            prompt: an instruction for inputs that have none of their own, in the family's place for it. The prompts
                that the folder names are the family's own and change nothing.
            kwargs: `task`: "query"; anything else is a document.
        """
        role: Role = "query" if kwargs.get("task") == "query" else "document"
        items = [as_model_input(item) for item in inputs]
        if prompt and prompt != self.smart.family.embedder_prompt(role):
            items = [_instructed(item, prompt) for item in items]
        return self.smart.family.featurize(items, role)

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Adds `sentence_embedding` fp32 [B, D] and `token_embeddings` fp32 [B, T, d], both L2-normalised, and makes
        `attention_mask` [B, T] that of the kept tokens."""
        output: ForwardOutput = self.smart(features)
        token_mask = features["token_mask"]
        tokens = output.packed.new_zeros(*token_mask.shape, output.packed.shape[1])
        tokens[token_mask] = output.packed  # both are in the order of rows, then positions
        return {**features, "sentence_embedding": output.pooled, _TOKENS: tokens, "attention_mask": token_mask.long()}

    @property
    def model(self) -> Any:  # type: ignore[override]  # read-only: the backbone belongs to `smart`
        """The backbone."""
        return self.smart.backbone

    @property
    def processor(self) -> Any:
        """The processor, or the tokenizer where there is no other."""
        return self.smart.family.processor

    @property
    def modalities(self) -> list[Any]:
        """What an input may hold. "message" means several of them in one input or one batch; chat turns are not an
        input here, because the family writes its prompts itself."""
        names = list(self.smart.family.modalities)
        return names if names == ["text"] else [*names, "message"]

    @property  # type: ignore[misc]  # read-only: the recipe or the folder decides it
    def max_seq_length(self) -> int:
        """Longest prompt in tokens."""
        return self.smart.family.max_length

    def get_embedding_dimension(self) -> int:
        """Width of the pooled vector."""
        return self.smart.hidden_size

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """The model's folder, as `SmartModel.save_pretrained` writes it."""
        self.smart.save_pretrained(output_path)

    def __repr__(self) -> str:
        return f"Transformer({self.smart.family.name})"


class Tokens(Dense):
    """Stands where MultiVectorEncoder looks for what made the tokens, and would put a random layer if it found nothing.
    It changes nothing: the module before it has made them.

    Args:
        width: of a token.
        module_input_name: as of the library's Dense; tokens, always.
    """

    config_keys = ["width", "module_input_name"]

    def __init__(self, width: int, module_input_name: str = _TOKENS) -> None:
        super(Dense, self).__init__()
        self.width, self.module_input_name, self.module_output_name = width, module_input_name, module_input_name
        self._shown: int | None = None

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs: Any) -> Tokens:  # type: ignore[override]  # as Transformer.load
        """As `Module.load` of the library: there are no weights."""
        where = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        return cls(**cls.load_config(model_name_or_path, **{name: kwargs[name] for name in where if name in kwargs}))

    def on_model_ready(self, model: nn.Module) -> None:
        """The last module that has a width says that of the whole model: here of a multi-vector one alone."""
        self._shown = self.width if isinstance(model, MultiVectorEncoder) else None

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """`features` as they are."""
        return features

    def get_embedding_dimension(self) -> int | None:  # type: ignore[override]  # the library skips a None
        """Width of a token in a MultiVectorEncoder; None in a SentenceTransformer, whose vector is another."""
        return self._shown

    def get_config_dict(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {name: getattr(self, name) for name in self.config_keys}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """The configuration alone."""
        self.save_config(output_path)


def _instructed(item: ModelInput, instruction: str) -> ModelInput:
    return item if item.instruction is not None else replace(item, instruction=instruction)
