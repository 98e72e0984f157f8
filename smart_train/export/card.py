"""The model card: what the model is, how to load it, what was measured, in the Hub's own metadata format."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

import smart_train
from smart_train.errors import ExportError, ModelError
from smart_train.evaluation import selection_note
from smart_train.evaluation.metrics import IN_TABLES
from smart_train.export.parity import ParityReport
from smart_train.export.routes import head_obstacle
from smart_train.export.snippets import (
    LOCATION,
    embedder_snippet,
    peft_snippet,
    shows_tokens,
    smart_train_snippet,
    transformers_snippet,
)
from smart_train.export.verify import RouteReport
from smart_train.models import SmartModel, get_family
from smart_train.models.added_tokens import embeddings_of
from smart_train.models.bases import Base
from smart_train.models.locating import locate_base
from smart_train.models.peft import ADAPTER_CONFIG
from smart_train.models.smart_config import SmartConfig
from smart_train.scoring import ScoringConfig
from smart_train.utils.atomic import replace_whole, write_text
from smart_train.utils.markdown import link, plain

CARD_NAME = "README.md"
PLOTS = "plots"
TAGS = ("smart", "multi-vector", "late-interaction", "smart_train")
_PAPER = "[SMART](https://arxiv.org/abs/2605.24938)"


@dataclass(frozen=True)
class CardFacts:
    """What a card says beyond what the model's own files show.

    Args:
        base: what training started from, a Hub id or a folder, where the trained folder does not say.
        evaluation: the run's evaluation.json, read; None leaves the results out.
        tuning: its tune.json, read, where the model has the settings that this chose.
        training: what was done -> how, one row of the card's table each.
        datasets: Hub ids of the training data.
        fingerprints: what -> digest, of the recipe and of the rows that made the model.
        plots: PNG files of the run, shown under their names.
    """

    base: Base | str | None = None
    evaluation: Mapping[str, Any] | None = None
    tuning: Mapping[str, Any] | None = None
    training: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[str] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    plots: Sequence[Path] = ()

    @staticmethod
    def read_evaluation(path: Path) -> Mapping[str, Any] | None:
        """The evaluation.json or tune.json at `path`, None where there is none."""
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ExportError(f"{path}: not valid JSON ({error})") from error


@dataclass(frozen=True)
class Lineage:
    """Where a model's weights come from: the Hub id of its base, and its licence; None where unknown."""

    base_model: str | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None

    @classmethod
    def of(cls, base: Base | str | None, folder: Path = Path()) -> Lineage:
        """The lineage of a model trained from `base`, as `folder` names it.

        A local base is named by the base of its own card, if it has one: its path would tell a reader nothing.
        """
        if isinstance(base, str):
            base = Base(base, local=not is_hub_id(base))
        try:
            base_folder = None if base is None else locate_base(base, folder, weights=False)
            card = {} if base_folder is None else _metadata(base_folder / CARD_NAME)
        except ModelError:
            card = {}  # the folder moved or the Hub cannot be reached: what it says of itself is then unknown
        named = base.name if base is not None and not base.local else card.get("base_model")
        return cls(named if isinstance(named, str) else None, *(card.get(key) for key in _LICENCE_KEYS))


_LICENCE_KEYS = ("license", "license_name", "license_link")


def is_hub_id(name: str) -> bool:
    """Whether `name` reads OWNER/NAME and is not a folder here."""
    return re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) is not None and not Path(name).exists()


def merged_card(
    model: SmartModel,
    lineage: Lineage,
    facts: CardFacts,
    measured: Mapping[str, ParityReport],
    routes: Sequence[RouteReport],
) -> str:
    """The card of an exported model.

    Args:
        model: as exported.
        measured: what -> difference to the trained model's scores: "float32", the exported dtype, "4bit training".
        routes: the finished folder through each library; one that was left out is not shown.
    """
    left_out = any(map(_is_left_out, routes))
    proof = [*(_proof(name, report) for name, report in measured.items()), routes_block(routes)]
    sections = [
        _opening(lineage, model.scoring, model.projection.dim if model.projection is not None else None),
        merged_usage(model, routes),
        *_results(facts),
        *_training(facts),
        *_plots(facts),
        "## Export\n\n" + "\n".join(proof),
        _licence(lineage),
    ]
    library = "transformers" if left_out else "sentence-transformers"
    return _card(_data(lineage, facts, "image" in model.family.modalities, library, "finetune"), sections)


def merged_usage(model: SmartModel, routes: Sequence[RouteReport]) -> str:
    """The section that shows how to load an exported model, by the libraries that read it right."""
    code = transformers_snippet(model)
    usage = [_code("smart_train", smart_train_snippet(model.family.modalities))]
    if code is not None:
        what = "" if shows_tokens(model) else ", the pooled vector (token vectors as configured need smart_train)"
        usage.append(_code(f"transformers and torchvision{what}", code))
    if not any(map(_is_left_out, routes)):
        needs = next((report.needs for report in routes if report.needs is not None), None)
        snippet = embedder_snippet(model.family.modalities, model.scoring, trusting=needs is not None)
        usage.append(_code("sentence-transformers 6" + (f" ({needs})" if needs is not None else ""), snippet))
    return "## Use\n\n" + "\n".join(usage)


def _is_left_out(report: RouteReport) -> bool:
    return (report.skipped or "").startswith("left out")


def adapter_card(folder: Path, facts: CardFacts) -> str:
    """The card of the adapter or token projection in `folder`, which names its base instead of holding it."""
    saved = SmartConfig.read(folder)
    if saved.base is None:
        raise ExportError(f"{folder}: neither an adapter nor a projection: it names no base")
    lineage = Lineage.of(saved.named_base, folder)
    is_lora = (folder / ADAPTER_CONFIG).is_file()
    family = get_family(saved.family) if saved.family is not None else None
    modalities = family.modalities if family is not None else ("text", "image")
    usage = [_code("smart_train, which fetches the base by itself", smart_train_snippet(modalities))]
    obstacle = None if family is None else family.base_obstacle or head_obstacle(family)
    if is_lora and obstacle is not None:
        usage.append(f"PEFT alone does not read it as it was trained: {obstacle}.")
    elif is_lora:
        usage.append(_code("PEFT", peft_snippet(saved.base, saved.base_revision, embeddings_of(folder))))
    sections = [
        _opening(lineage, saved.scoring or ScoringConfig(), None),
        "## Use\n\n" + "\n".join(usage),
        *_results(facts),
        *_training(facts),
        *_plots(facts),
        _licence(lineage),
    ]
    library = "peft" if is_lora else "smart_train"
    return _card(_data(lineage, facts, "image" in modalities, library, "adapter"), sections)


def write_adapter_card(folder: Path, facts: CardFacts) -> None:
    """Puts `adapter_card` and the plots that it shows beside what it describes."""
    copy_plots(folder, facts.plots)
    write_text(folder / CARD_NAME, adapter_card(folder, facts))


def copy_plots(folder: Path, plots: Sequence[Path]) -> None:
    """The plots that a card in `folder` shows, where it looks for them."""
    for path in plots:
        replace_whole(folder / PLOTS / path.name, partial(shutil.copyfile, path))


def named(card: str, repo_id: str) -> str:
    """`card` for the repository that it is pushed to."""
    return card.replace(LOCATION, repo_id)


def _card(data: ModelCardData, sections: Sequence[str]) -> str:
    return f"---\n{data.to_yaml()}\n---\n\n# {LOCATION}\n\n" + "\n\n".join(sections) + "\n"


def _data(lineage: Lineage, facts: CardFacts, visual: bool, library: str, relation: str) -> ModelCardData:
    return ModelCardData(
        base_model=lineage.base_model,
        base_model_relation=relation if lineage.base_model else None,
        license=lineage.license,
        license_name=lineage.license_name,
        license_link=lineage.license_link,
        library_name=library,
        pipeline_tag="visual-document-retrieval" if visual else "sentence-similarity",
        tags=list(TAGS),
        datasets=list(facts.datasets) or None,
        model_name=LOCATION,
        eval_results=_eval_results(facts.evaluation) or None,
    )


def _eval_results(evaluation: Mapping[str, Any] | None) -> list[EvalResult]:
    """What was measured after training, each score and metric, as the Hub's model-index wants it."""
    evaluation = evaluation or {}
    return [
        EvalResult(
            task_type="information-retrieval",
            task_name="Information Retrieval",
            dataset_type="held-out",
            dataset_name=f"{evaluation['queries']} held-out queries, {evaluation['documents']} documents",
            dataset_split=evaluation.get("measured_on", "").removeprefix("data.") or None,
            metric_type=f"{score}_{metric}",
            metric_name=f"{metric} ({score})",
            metric_value=round(value, 4),
        )
        for score, metrics in (evaluation.get("after") or {}).items()
        for metric, value in metrics.items()
    ]


def _opening(lineage: Lineage, scoring: ScoringConfig, width: int | None) -> str:
    base = lineage.base_model
    origin = link(base, f"https://huggingface.co/{base}") if base else "a model"
    tokens = f", each {width} wide" if width is not None else ""
    return (
        f"A retriever trained from {origin} with smart_train {smart_train.__version__}. One pass of the backbone gives "
        f"a pooled vector and a vector for every kept token{tokens}; the score of a query and a document adds both "
        f"({_PAPER}):\n\n"
        f"{scored_as(scoring)}The pooled vector alone is a single-vector retriever as before."
    )


def scored_as(scoring: ScoringConfig) -> str:
    """The score as a formula, and what an index keeps."""
    return (
        f"    score = {scoring.pooled_weight:g} * cosine of the pooled vectors\n"
        f"          + {scoring.late_weight:g} * mean over query tokens of the best cosine with a document token\n\n"
        f"{_stored(scoring)}"
    )


def _stored(scoring: ScoringConfig) -> str:
    """What an index keeps, where that is not everything."""
    parts = [
        *([] if scoring.width is None else [f"{scoring.width} dimensions of each vector"]),
        *([] if scoring.pool_factor == 1 else [f"one token for every {scoring.pool_factor} of a document"]),
    ]
    if scoring.stored_as == "float32" and not parts:
        return ""
    return f"An index of smart_train keeps {' and '.join(parts) or 'all tokens'}, stored as {scoring.stored_as}. "


def _code(title: str, code: str) -> str:
    return f"With {title}:\n\n```python\n{code}```\n"


def _results(facts: CardFacts) -> list[str]:
    report = facts.evaluation
    tuned = "" if facts.tuning is None else f"\n\nThe scoring settings were tuned. {facts.tuning['conclusion']}"
    if report is None:
        return [f"## Results{tuned}"] if tuned else []
    stages = [name for name in ("before", "after") if name in report]
    scores = report[stages[-1]]
    metrics = [metric for metric in IN_TABLES if metric in report["chance"]]
    rows = [f"| score | {' | '.join(metrics)} |", "|---" * (len(metrics) + 1) + "|"]
    for score in scores:
        cells = [" -> ".join(f"{report[stage][score][metric]:.3f}" for stage in stages) for metric in metrics]
        rows.append(f"| {score} | {' | '.join(cells)} |")
    chance = " | ".join(f"{report['chance'][metric]:.3f}" for metric in metrics)
    rows.append(f"| chance | {chance} |")
    what = " -> ".join(f"{name} training" for name in stages)
    text = f"{report['queries']} held-out queries against {report['documents']} documents, {what}:"
    note = selection_note(report)
    return [f"## Results\n\n{text}\n\n" + "\n".join(rows) + (f"\n\n{note}" if note else "") + tuned]


def _plots(facts: CardFacts) -> list[str]:
    shown = [f"![{path.stem.replace('_', ' ')}]({PLOTS}/{path.name})" for path in facts.plots]
    return ["## Plots\n\n" + "\n\n".join(shown)] if shown else []


def _training(facts: CardFacts) -> list[str]:
    if not facts.training:
        return []
    rows = "\n".join(f"| {plain(name)} | {plain(value)} |" for name, value in facts.training.items())
    prints = ", ".join(f"{name} `{digest}`" for name, digest in facts.fingerprints.items())
    return [f"## Training\n\n| | |\n|---|---|\n{rows}" + (f"\n\nFingerprints: {prints}" if prints else "")]


def _proof(name: str, report: ParityReport) -> str:
    if name == "float32":
        return (
            f"Scores of the merged weights differ from the trained model's by at most {report.largest:.1e} (float32)."
        )
    if name.endswith("training"):
        return (
            f"It was trained on a {name.split()[0]} base and is exported on the base in full precision, which moves "
            "scores by at "
            f"most {report.largest:.1e}."
        )
    return (
        f"Rounding to {name} {report.effect}. Other libraries compute in {name} by default; they give the scores "
        "listed here with `dtype=torch.float32` (sentence-transformers: "
        '`model_kwargs={"dtype": torch.float32}`).'
    )


def routes_block(routes: Sequence[RouteReport]) -> str:
    """What each library gives, the last lines of the section on the export."""
    rows = "\n".join(f"- {plain(report)}" for report in routes)
    return f"\nAgainst the vectors in `golden.safetensors` (`smart-train verify` measures again):\n\n{rows}"


def _licence(lineage: Lineage) -> str:
    if lineage.license is None:
        return "## Licence\n\nThe licences of the base model and of the training data apply."
    terms = lineage.license_name or lineage.license
    terms = link(terms, lineage.license_link) if lineage.license_link else plain(terms)
    return f"## Licence\n\n{terms}, inherited from the base model."


def _metadata(path: Path) -> Mapping[str, Any]:
    """The metadata block of a card; empty where there is no card or none that can be read."""
    if not path.is_file():
        return {}
    try:
        return ModelCard.load(path, ignore_metadata_errors=True).data.to_dict()
    except (ValueError, yaml.YAMLError):
        return {}  # a broken card of the base does not stop an export: its licence then counts as unknown
