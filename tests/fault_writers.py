"""The commands that write, for `tests.fault_sweep`: how each is called, and what it must have made."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from tests.fault_inputs import digests, hub, inputs, recipe, said, trained
from tests.faults import Writer
from tests.models.text_folders import SMALL


def run_result(area: Path, name: str = "run") -> Any:
    """A run: how far it got, and the weights that it names as trained."""
    from smart_train.run.folder import RUN_FILE, read_record
    from smart_train.training.training_log import LOG_NAME, read_log
    from smart_train.utils.manifest import fault

    run = area / name
    record = read_record(run) if (run / RUN_FILE).is_file() else None
    if record is None or record["state"] == "training":
        return None
    assert fault(run / "final") is None, fault(run / "final")
    steps = [(record["step"], record["loss"]) for record in read_log(run / LOG_NAME) if "loss" in record]
    return [record["state"], digests(run / "final", "*.safetensors"), steps]


def copied_run(area: Path) -> None:
    shutil.copytree(trained() / "run", area / "run")


def export_result(area: Path) -> Any:
    """The proved files of an export."""
    from smart_train.export.parity_record import check_record
    from smart_train.utils.atomic import settle

    settle(area / "run" / "export")
    if not (area / "run" / "export").is_dir():
        return None
    record = check_record(area / "run" / "export")["sha256"]
    return {name: digest for name, digest in record.items() if name != "smart_config.json"}  # holds versions


def index_result(area: Path) -> Any:
    """Ids and numbers of an index."""
    from smart_train.retrieval import DocumentIndex

    if not (area / "index" / "index.json").is_file():
        return None
    index = DocumentIndex.load(area / "index")
    return [index.document_ids, index.embeddings.pooled.sum().item(), index.embeddings.packed.sum().item()]


def older_index(area: Path) -> None:
    if not (inputs() / "older").is_dir():
        said("encode", inputs() / "model", "--documents", inputs() / "fewer.jsonl", "--index", inputs() / "older")
    shutil.copytree(inputs() / "older", area / "index")


def mined_result(area: Path) -> Any:
    """The rows, as training reads them; the recipe is written after them."""
    from smart_train.data import SourceConfig, load_examples
    from smart_train.recipe.reader import read_recipe

    mined = area / "mined"
    if not (mined / "train.jsonl").is_file():
        return None
    examples = load_examples(SourceConfig(mined))
    rows = [[example.query_id, len(example.documents), example.scores] for example in examples]
    if not (mined / "recipe.yaml").is_file():
        return None
    read_recipe(mined / "recipe.yaml")
    return rows


def pairs_result(area: Path) -> Any:
    """Every file of the data set."""
    return digests(area / "pairs")


def earlier_push(area: Path) -> None:
    """A repository of this area's name that holds an earlier export, with a file that the next push deletes."""
    from huggingface_hub import constants

    from smart_train.export.parity_record import write_record

    constants.HF_HUB_CACHE = str(area / "cache")
    if not (inputs() / "push").is_dir():
        said("export", trained() / "run", "--output", inputs() / "push")
        export = trained() / "run" / "export"
        (export / "old.json").write_text("{}")
        write_record(export, {})
        hub()
        said("push", export, "--repo", "user/earlier")
    hub().repositories[f"user/{area.name}"] = copy.deepcopy(hub().repositories["user/earlier"])


def push_result(area: Path) -> Any:
    """The repository's files; the card names the repository, which is another one for every area."""
    files = hub().files(f"user/{area.name}")
    return {name: hashlib.sha256(body).hexdigest() for name, body in sorted(files.items()) if name != "README.md"}


def encoding(area: Path) -> list[object]:
    return ["encode", inputs() / "model", "--documents", inputs() / "rows.jsonl", "--index", "index"]


def mining(area: Path) -> list[object]:
    return ["mine", recipe(area), "--output", "mined", "--negatives", 2, "--margin", 0, "--shard-size", 8]


def making(area: Path) -> list[object]:
    return ["make-pairs", inputs() / "pdf", "--output", "pairs", "--dpi", 40]


def plain_model(area: Path) -> None:
    """A model folder with a manifest, as a run leaves it."""
    from smart_train.utils.manifest import write_manifest

    shutil.copytree(inputs() / "model", area / "model")
    write_manifest(area / "model")


def tuning(area: Path) -> list[object]:
    """A bound that the settings in force do not keep, and one form that does: something is always written."""
    form = ["--layers", "-1", "--weights", "1:1", "--widths", "16", "--pool-factors", "2", "--stored-as", "int8"]
    return ["tune", "model", "--data", inputs() / "rows.jsonl", *form, "--max-bytes", "300", "--write"]


def model_in(area: Path) -> Path:
    """The model's folder, or where an exchange that was cut off left it: the next command brings it back."""
    from smart_train.utils.atomic import aside

    folder = area / "model"
    return folder if folder.is_dir() else aside(folder)


def lone_export(area: Path) -> None:
    """An export without its run."""
    if not (inputs() / "exported").is_dir():
        said("export", trained() / "run", "--output", inputs() / "exported")
    shutil.copytree(inputs() / "exported", area / "model")


def tuned_export(area: Path) -> Any:
    """The settings of an export that is as it was verified."""
    from smart_train.export.parity_record import check_record
    from smart_train.models.smart_config import SmartConfig

    folder = model_in(area)
    return [SmartConfig.read(folder).scoring, sorted(check_record(folder)["sha256"])]


def tuned_result(area: Path) -> Any:
    """The settings of a folder that is whole."""
    from smart_train.models.smart_config import SmartConfig
    from smart_train.utils.manifest import fault

    folder = model_in(area)
    assert fault(folder) is None, fault(folder)
    return SmartConfig.read(folder).scoring


def compared_result(area: Path) -> Any:
    """What was compared; None where nothing was written."""
    file = area / "compared.json"
    return json.loads(file.read_text()) if file.is_file() else None


def comparing(area: Path) -> list[object]:
    """Two kept results of one model, by other weights."""
    files = [inputs() / "pooled.json", inputs() / "late.json"]
    for file, weight in zip(files, (0, 4), strict=True):
        if not file.is_file():
            rows = ("--data", inputs() / "rows.jsonl", "--output", file)
            said("evaluate", inputs() / "model", *rows, f"scoring.late_weight={weight}")
    return ["compare", *files, "--output", "compared.json"]


def benchmarking(area: Path) -> list[object]:
    suites = ("--suite", "SciFact", "--suite", "NFCorpus")
    return ["benchmark", inputs() / "model", *suites, "--data", inputs() / "published", "--output", "results"]


def benchmark_result(area: Path) -> Any:
    """The metrics of each task that is done; None before the first."""
    file = area / "results" / "summary.json"
    return json.loads(file.read_text())["scores"] if file.is_file() else None


def in_found(area: Path) -> None:
    (area / "found").mkdir()


def evaluating(area: Path) -> list[object]:
    files = ("--output", "found/metrics.json", "--report", "found/page.html")
    return ["evaluate", inputs() / "model", "--data", inputs() / "rows.jsonl", *files]


def explaining(area: Path) -> list[object]:
    asked = ("--query", "the pump", "--document", "a pump of iron")
    return ["explain", inputs() / "model", *asked, "--output", "found/map.html"]


def checking(area: Path) -> list[object]:
    return ["validate-data", inputs() / "rows.jsonl", "--output", "found"]


def found_result(area: Path) -> Any:
    """What was written: figures by their digests, and pages, which are whole, by their names. A killed process leaves
    its temporary file, which a later one clears."""
    files = {name: digest for name, digest in (digests(area / "found") or {}).items() if not name.startswith(".")}
    for name in files:
        if name.endswith(".html"):
            assert (area / "found" / name).read_text().rstrip().endswith("</html>"), name
            files[name] = ""
    return files or None


def probing(area: Path) -> list[object]:
    return ["probe", inputs() / "model", "--data", inputs() / "rows.jsonl", "--layers", 1, "--output", "found"]


def drafting(area: Path) -> list[object]:
    return ["init", inputs() / "model", inputs() / "rows.jsonl", "--method", "lora", "--to", "found/recipe.yaml"]


def converting(area: Path) -> list[object]:
    """A projection of this package's own form, which is read as one of the authors' is."""
    from smart_train.models.token_projection import TokenProjection

    if not (inputs() / "projection").is_dir():
        (inputs() / "projection").mkdir()
        TokenProjection(SMALL["hidden_size"], 16).save(inputs() / "projection")
    return ["convert-projection", inputs() / "projection", "--output", "converted", "--base", inputs() / "model"]


def converted_result(area: Path) -> Any:
    """Every file of the projection."""
    return digests(area / "converted")


def plaid_result(area: Path) -> Any:
    """An index, and its token matrices. Between two moves of files these are not read, and said to be of two calls."""
    from smart_train.errors import DataError
    from smart_train.serving import read_plaid

    try:
        ids, tokens = read_plaid(area / "index" / "plaid")
    except DataError as error:
        assert (area / "index" / "plaid").is_dir() and "not written together" in str(error), error
        return [index_result(area), None]
    return [index_result(area), ids, [matrix.sum().item() for matrix in tokens]]


def qdrant_result(area: Path) -> Any:
    """An index, and the two files beside it."""
    points, collection = (area / "index" / "qdrant" / name for name in ("points.jsonl", "collection.json"))
    made = [json.loads(point) for point in points.read_text().splitlines()]
    return [index_result(area), made, json.loads(collection.read_text())]


def older_layouts(area: Path) -> None:
    """An index of fewer documents with both layouts."""
    older = inputs() / "older-layouts"
    for layout in ("plaid", "qdrant"):
        if not (older / layout).is_dir():
            said("encode", inputs() / "model", "--documents", inputs() / "fewer.jsonl", "--index", older, *as_(layout))
    shutil.copytree(older, area / "index")


def as_(layout: str) -> list[str]:
    return ["--format", layout]


def searching(area: Path) -> list[object]:
    asked = ("--documents", inputs() / "rows.jsonl", "--query", "the pump")
    return ["search", inputs() / "model", *asked, "--index", "index"]


def reporting_tuning(area: Path) -> list[object]:
    form = ["--layers", "-1", "--weights", "1:1", "--widths", "16,32", "--pool-factors", "1", "--stored-as", "int8"]
    return ["tune", inputs() / "model", "--data", inputs() / "rows.jsonl", *form, "--output", "found"]


def reported_tuning(area: Path) -> Any:
    """Every setting that was measured, but for what the machine took; and the names of the files."""
    file = area / "found" / "tune.json"
    if not file.is_file():
        return None
    settings = json.loads(file.read_text())["settings"]
    names = sorted(name for name in digests(area / "found") or {} if not name.startswith("."))
    return [[{key: value for key, value in row.items() if key != "ms_per_query"} for row in settings], names]


def training_seeds(area: Path) -> list[object]:
    return ["train", recipe(area), "--seeds", "0,1"]


def seeds_result(area: Path) -> Any:
    """What the runs have in common, and each of them."""
    from smart_train.report.html import REPORT_FILE
    from smart_train.run.seeds import SEEDS_FILE

    file, page = area / "run" / SEEDS_FILE, area / "run" / REPORT_FILE
    runs = [run_result(area, f"run/seed-{seed}") for seed in (0, 1)]
    if not (file.is_file() and page.is_file()):
        return None
    assert page.read_text().rstrip().endswith("</html>")
    return [json.loads(file.read_text()), *runs]


WRITERS = {
    "benchmark": Writer(benchmarking, benchmark_result),
    "train": Writer(lambda area: ["train", recipe(area)], run_result, whole=False),
    "train --seeds": Writer(training_seeds, seeds_result, whole=False),
    "export": Writer(lambda area: ["export", "run", "--overwrite"], export_result, copied_run),
    "encode": Writer(encoding, index_result, older_index),
    "encode as plaid": Writer(lambda area: [*encoding(area), *as_("plaid")], plaid_result, older_layouts, whole=False),
    "encode as qdrant": Writer(
        lambda area: [*encoding(area), *as_("qdrant")], qdrant_result, older_layouts, whole=False
    ),
    "search": Writer(searching, index_result, older_index),
    "recipes": Writer(lambda area: ["recipes", "quickstart_mined", "--to", "found"], found_result, whole=False),
    "tune --output": Writer(reporting_tuning, reported_tuning, whole=False),
    "mine": Writer(mining, mined_result),
    "compare": Writer(comparing, compared_result),
    "make-pairs": Writer(making, pairs_result),
    "tune": Writer(tuning, tuned_result, plain_model),
    "tune an export": Writer(tuning, tuned_export, lone_export),
    "evaluate": Writer(evaluating, found_result, in_found, whole=False),
    "explain": Writer(explaining, found_result, in_found),
    "validate-data": Writer(checking, found_result, whole=False),
    "probe": Writer(probing, found_result, whole=False),
    "init": Writer(drafting, found_result, once=True),
    "convert-projection": Writer(converting, converted_result, once=True),
    "push": Writer(lambda area: ["push", inputs() / "push", "--repo", f"user/{area.name}"], push_result, earlier_push),
}
