"""The only list of backbone families. A new family adds its class here and nothing else; one that lies outside the
package calls `register_family`."""

from __future__ import annotations

from pathlib import Path

from smart_train.errors import ModelError
from smart_train.models.families.colidefics3 import ColIdefics3
from smart_train.models.families.colpali import ColPali, ColPaliCausalQueries
from smart_train.models.families.colqwen import ColQwen
from smart_train.models.families.eager_embed import EagerEmbed
from smart_train.models.families.embedding_gemma import EmbeddingGemma
from smart_train.models.families.gme import GME
from smart_train.models.families.jina_v4 import JinaV4, JinaV4Code, JinaV4TextMatching
from smart_train.models.families.lamra import LamRA, LamRAQwen3, LamRAQwen25, SmartLamRA, SmartLamRATraining
from smart_train.models.families.moca import MoCa
from smart_train.models.families.nomic import NomicMultimodal
from smart_train.models.families.ops_mm import OpsMMEmbedding
from smart_train.models.families.qwen3_vl import Qwen3VLEmbedding
from smart_train.models.families.text_decoder import TextDecoder
from smart_train.models.families.text_encoder import TextEncoder
from smart_train.models.families.unime_v2 import UniMEV2
from smart_train.models.families.vlm2vec import VLM2Vec
from smart_train.models.family import Family
from smart_train.models.reading import read_json
from smart_train.models.sentence_transformers_files import check_root
from smart_train.utils.folder_kinds import what_is

_ALL = (
    Qwen3VLEmbedding,
    GME,
    VLM2Vec,
    UniMEV2,
    LamRA,
    LamRAQwen25,
    LamRAQwen3,
    SmartLamRA,
    SmartLamRATraining,
    JinaV4,
    JinaV4TextMatching,
    JinaV4Code,
    OpsMMEmbedding,
    NomicMultimodal,
    MoCa,
    EagerEmbed,
    ColQwen,
    ColPali,
    ColPaliCausalQueries,
    ColIdefics3,
    TextEncoder,
    TextDecoder,
    EmbeddingGemma,
)
FAMILIES: dict[str, type[Family]] = {}
# What a family that reads images or videos must say of them.
_VISUAL = ("visual_ids", "visual_tokens", "vision_shape", "fit_image", "image_settings")


def register_family(family: type[Family]) -> type[Family]:
    """Makes a backbone family known by its name to recipes, folders and the command line; returns it, so that it can
    decorate the class. Processes that read the family's models must all do so.

    Raises:
        ModelError: another family has its name, or it reads images or videos and does not say how.
    """
    if FAMILIES.get(family.name, family) is not family:
        raise ModelError(
            f"family {family.name!r} is already {FAMILIES[family.name].__name__}; give {family.__name__} another name"
        )
    kinds = [kind for kind in family.modalities if kind != "text"]
    missing = [name for name in _VISUAL if kinds and getattr(family, name) is getattr(Family, name)]
    divided = {visual.kind for visual in family.visual_fields}
    missing += [f"an entry of visual_fields for {kind}" for kind in kinds if kind not in divided]
    if missing:
        raise ModelError(
            f"family {family.name!r} reads {' and '.join(kinds)}, but does not define {', '.join(missing)}"
        )
    FAMILIES[family.name] = family
    return family


for _family in _ALL:
    register_family(_family)


def get_family(name: str | None) -> type[Family]:
    """The family class called `name`; ModelError lists the known ones."""
    if name is None or name not in FAMILIES:
        names = ", ".join(sorted(FAMILIES))
        raise ModelError(f"model.family (--family on the command line) {name!r} is unknown; known families: {names}")
    return FAMILIES[name]


def detect_family(model_type: str, folder: Path) -> type[Family]:
    """The family of the model in `folder`, by its config's `model_type` and, where several share it, by its files.

    Raises:
        ModelError: none serves the type (the known ones are listed), or the files do not tell which of several it is.
    """
    serving = [family for family in FAMILIES.values() if model_type in family.model_types]
    if not serving:
        served = "; ".join(
            f"{name} (model_type {', '.join(cls.model_types)})" for name, cls in sorted(FAMILIES.items())
        )
        raise ModelError(
            f"no family is chosen automatically for model_type {model_type!r}; known families: {served}. Name one with "
            "model.family if you know that it fits"
        )
    claims = {family: family.claims(folder) for family in serving}
    fitting = [family for family in serving if claims[family]] or [f for f in serving if claims[f] is None]
    if len(fitting) != 1:
        names = ", ".join(family.name for family in fitting or serving)
        raise ModelError(
            f"{folder}: model_type {model_type!r} is used by {names}, and the folder's files do not show to which its "
            "model belongs; set model.family (--family on the command line)"
        )
    return fitting[0]


def find_family(name: str | None, folder: Path) -> type[Family]:
    """The family called `name`, else the one that the configuration and files of `folder` show; no code of its own is
    run to find out."""
    check_root(folder)
    if name:
        return get_family(name)
    model_type = (read_json(folder / "config.json") or {}).get("model_type")
    if model_type is None:
        raise ModelError(_not_a_model(folder))
    return detect_family(model_type, folder)


def _not_a_model(folder: Path) -> str:
    if (folder / "config.json").is_file():
        return f"{folder}: config.json names no model_type; fetch or save the model again"
    return (
        f"{folder}: {what_is(folder)}, without a config.json; a model is a folder with one beside its weights, the "
        "folder of a run, or an id on the Hub"
    )
