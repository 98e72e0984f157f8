"""What a text embedder's folder says of itself, in the files that sentence-transformers writes.

File and key names: the public documentation of sentence-transformers ("Saving and loading", `Transformer`, `Pooling`)
and the folders of all-MiniLM-L6-v2, bge-base-en-v1.5 and Qwen3-Embedding-0.6B.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_train.errors import ModelError, shown
from smart_train.models.reading import read_json, read_json_value

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
LIMITS = "sentence_bert_config.json"
# Names that folders use for the document side of their prompts, in the order in which sentence-transformers looks.
_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}
# `pooling_mode` of today, and the older flag of the same meaning.
_POOLING = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "lasttoken": "pooling_mode_lasttoken"}
_OWN_NAMES = ("cls", "mean", "last")
# Scores that depend on vectors' lengths; of vectors of length one, these rank as the cosine does.
_OF_LENGTH = ("dot", "dot_score", "euclidean")
_HARMLESS = ("Transformer", "Pooling", "Normalize", "Dropout")  # Dropout does nothing once a model is trained
_LIBRARIES = ("sentence_transformers", "smart_train")  # whose modules do what their names say


@dataclass(frozen=True)
class EmbedderFiles:
    """What the folder says; None (or False) where it is silent.

    Attributes:
        pooling: "cls", "mean" or "last". query_prompt, document_prompt: prefixes, verbatim.
        prompts: every prefix in the folder, in its order, whatever it is for.
        max_length: longest input in tokens, special ones included. lower_case: whether text is lower-cased first.
    """

    pooling: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    prompts: tuple[str, ...] = ()
    max_length: int | None = None
    lower_case: bool = False

    @classmethod
    def read(cls, folder: str | Path, *, others: tuple[str, ...] = ()) -> EmbedderFiles:
        """The files in `folder`; a plain transformers folder has none of them.

        Args:
            others: kinds of modules that the caller reads itself.

        Raises:
            ModelError: a file is not JSON, or asks for what the SMART score does not hold (another pooling, a layer
                after pooling, dot products of unnormalised vectors).
        """
        folder = Path(folder)
        modules = _modules(folder, others)
        settings = read_json(folder / SETTINGS) or {}
        if settings.get("similarity_fn_name") in _OF_LENGTH and "Normalize" not in modules:
            raise ModelError(
                f"{folder / SETTINGS}: similarity_fn_name is {settings['similarity_fn_name']!r} without a Normalize "
                "module; the SMART score is a cosine, which ranks differently from the similarity that this model was "
                "trained for"
            )
        pooling = modules.get("Pooling")
        transformer = folder / modules.get("Transformer", "")
        limits = read_json(transformer / LIMITS) or {}
        prompts = _prompts(folder / SETTINGS, settings.get("prompts"))
        default = prompts.get(str(settings.get("default_prompt_name") or ""))
        side_prompts = {
            side: next((prompts[name] for name in names if name in prompts), default)
            for side, names in _PROMPTS.items()
        }
        return cls(
            pooling=_named_pooling(transformer / LIMITS, limits.get("pooling"))
            if pooling is None
            else _pooling(folder / pooling / "config.json"),
            query_prompt=side_prompts["query"],
            document_prompt=side_prompts["document"],
            prompts=tuple(prompts.values()),
            max_length=_length(transformer / LIMITS, limits.get("max_seq_length")),
            lower_case=bool(limits.get("do_lower_case")),
        )


def pooled_modules(folder: Path) -> list[dict[str, Any]]:
    """The entries of the modules.json in `folder` that make the pooled vector. What works on tokens alone is left out:
    an export holds such modules for multi-vector readers, and they say nothing of another model's tokens.

    Raises:
        ModelError: no list of modules, or one that would lie outside `folder`, from where an export would copy it.
    """
    entries = read_json_value(folder / MODULES) or []
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("type", "path")):
            raise ModelError(f"{folder / MODULES}: must hold a list of modules, each with its type and path")
        if not (folder / entry["path"]).resolve().is_relative_to(folder.resolve()):
            raise ModelError(f"{folder / MODULES}: the path {entry['path']!r} leaves the folder")
    return [entry for entry in entries if not _is_for_tokens(folder, entry)]


def check_root(folder: Path) -> None:
    """Raises ModelError where the weights lie in a folder of their own below `folder`, as early versions of
    sentence-transformers saved them."""
    if (folder / "config.json").is_file():
        return
    for entry in pooled_modules(folder):
        if (folder / entry["path"] / "config.json").is_file() and entry["type"].endswith(".Transformer"):
            raise ModelError(
                f"{folder}: its weights are in {entry['path']}, where early versions of sentence-transformers saved "
                f"them. Save it again with SentenceTransformer({str(folder)!r}).save_pretrained('NEW'), and name NEW"
            )


def module_folders(folder: Path) -> list[str]:
    """The folders of `pooled_modules` that exist: `1_Pooling`, as a rule."""
    return [entry["path"] for entry in pooled_modules(folder) if entry["path"] and (folder / entry["path"]).is_dir()]


def _is_for_tokens(folder: Path, entry: dict[str, Any]) -> bool:
    config = read_json(folder / entry["path"] / "config.json") if entry["path"] else None
    on_tokens = (config or {}).get("module_input_name") == "token_embeddings"
    return on_tokens or entry["type"].endswith(".MultiVectorMask")


def _modules(folder: Path, others: tuple[str, ...]) -> dict[str, str]:
    """Kind of module -> its path below `folder`, in the order in which they run."""
    entries = pooled_modules(folder)
    own = [entry["type"] for entry in entries if entry["type"].split(".")[0] not in _LIBRARIES]
    if own:
        raise ModelError(
            f"{folder / MODULES}: {own[0]} is a module of the folder's own code, which may change texts or weights "
            "before it encodes (jina-embeddings-v3 chooses an adapter there); smart_train does not run it. Choose "
            "another model, or one whose modules are sentence-transformers' own"
        )
    modules = {entry["type"].rsplit(".", 1)[-1]: entry["path"] for entry in entries}
    strange = [kind for kind in modules if kind not in (*_HARMLESS, *others)]
    if strange:
        raise ModelError(
            f"{folder / MODULES}: a {strange[0]} module changes the embedding and is not supported; supported: "
            f"{', '.join(_HARMLESS)}"
        )
    return modules


def _prompts(path: Path, given: Any) -> dict[str, str]:
    """Name -> prefix; a name without one (null) is left out."""
    prompts = (
        {name: prompt for name, prompt in given.items() if prompt is not None} if isinstance(given, dict) else given
    )
    if prompts and not (isinstance(prompts, dict) and all(isinstance(prompt, str) for prompt in prompts.values())):
        raise ModelError(f"{path}: prompts is {shown(given)}; it must be an object of texts, each under its name")
    return prompts or {}


def _length(path: Path, given: Any) -> int | None:
    if given is not None and not (type(given) is int and given > 0):
        raise ModelError(f"{path}: max_seq_length is {shown(given)}; it must be a whole number of at least 1, or null")
    return given


def _named_pooling(path: Path, given: Any) -> str | None:
    """What an export says whose modules are smart_train's own, and say nothing of pooling."""
    if given not in (None, *_OWN_NAMES):
        raise ModelError(f"{path}: pooling is {shown(given)}; it must be one of {', '.join(_OWN_NAMES)}, or left out")
    return given


def _pooling(path: Path) -> str:
    values = read_json(path)
    if values is None:
        raise ModelError(f"{path}: missing, though {MODULES} names its folder")
    mode = values.get("pooling_mode")
    modes = [mode] if mode else [key for key, value in values.items() if key.startswith("pooling_mode_") and value]
    names = {**{name: name for name in _POOLING}, **{flag: name for name, flag in _POOLING.items()}}
    if len(modes) != 1 or not isinstance(modes[0], str) or modes[0] not in names:
        raise ModelError(f"{path}: pooling {modes}; exactly one of {', '.join(_POOLING)} is supported")
    if values.get("include_prompt") is False:
        raise ModelError(f"{path}: include_prompt false (pooling without the prompt's tokens) is not supported")
    name = names[modes[0]]
    return "last" if name == "lasttoken" else name
