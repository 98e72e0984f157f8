"""Every command that writes, with each of its writes failing once: by a full disk, a failing one, an interrupted call,
a kill. What is there afterwards must be whole, and the same command must end as if nothing had happened.

    python -m tests.fault_sweep                               every call of every command: hours
    python -m tests.fault_sweep encode mine --moments 20      twenty calls of each of these, for each kind of fault

A command is a `Writer` in `WRITERS`, which is all that a new one needs.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import ctypes
import functools
import gc
import hashlib
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from tests.faults import KINDS, Report, Writer, run_child, sweep
from tests.hub.server import WRITER, Hub
from tests.ranks import IMPORTS

ROOT = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "support" / "faults.c"


@functools.cache
def inputs() -> Path:
    """What the commands read, made once: a text model of two layers, rows, a trained run, PDF files, an index."""
    from smart_train import SmartModel
    from tests.models.text_folders import WORDS, encoder_folder
    from tests.pairs.conftest import write_manual

    folder = Path(os.environ["FAULTS_INPUTS"])
    model = SmartModel.from_config(encoder_folder(folder / "config"), family="text_encoder", init_std=0.2)
    model.save_pretrained(folder / "model")
    drawn = random.Random(0)
    rows = []
    for number in range(12):
        query, page = (" ".join(drawn.choices(WORDS[:12], k=count)) for count in (4, 9))
        rows.append({"query": query, "positive": f"{page} {number}"})
    lines = [json.dumps({**row, "document_id": f"d{number}"}) + "\n" for number, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("".join(lines))
    (folder / "fewer.jsonl").write_text("".join(lines[:8]))
    for name in ("alpha", "beta"):
        write_manual(folder / "pdf" / f"{name}.pdf", name)
    return folder


def recipe(area: Path) -> Path:
    training = {"output_dir": str(area / "run"), "use_cpu": True, "per_device_train_batch_size": 4, "max_steps": 2,
                "save_strategy": "steps", "save_steps": 1, "save_total_limit": 1, "logging_steps": 1}  # fmt: skip
    rows = str(inputs() / "rows.jsonl")
    values = {
        "model": {"name_or_path": str(inputs() / "model")},
        "data": {"train": {"path": rows}, "evaluation": {"path": rows}},
        "lora": {"r": 2, "alpha": 4},
        "training": training,
        "evaluation": {"before": False},
        "export": {"enabled": False},
    }
    path = area.with_name(f"{area.name}.yaml")  # beside: a recipe is not something that the command writes
    path.write_text(json.dumps(values))
    return path


def digests(folder: Path, pattern: str = "*") -> dict[str, str] | None:
    """Name -> digest of the files below `folder`, None where there is no such folder."""
    from smart_train.utils.hashing import sha256

    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def run_result(area: Path) -> Any:
    """A run: how far it got, and the weights that it names as trained."""
    from smart_train.run.folder import RUN_FILE, read_record
    from smart_train.training.training_log import LOG_NAME, read_log
    from smart_train.utils.manifest import fault

    run = area / "run"
    record = read_record(run) if (run / RUN_FILE).is_file() else None
    if record is None or record["state"] == "training":
        return None
    assert fault(run / "final") is None, fault(run / "final")
    steps = [(record["step"], record["loss"]) for record in read_log(run / LOG_NAME) if "loss" in record]
    return [record["state"], digests(run / "final", "*.safetensors"), steps]


def copied_run(area: Path) -> None:
    shutil.copytree(trained() / "run", area / "run")


@functools.cache
def trained() -> Path:
    """A run, and an export of it in another type than its recipe's, which is there before."""
    area = inputs() / "trained"
    area.mkdir()
    said("train", recipe(area))
    said("export", area / "run", "--dtype", "bfloat16")
    return area


def said(*arguments: object) -> None:
    """`smart-train ARGUMENTS` in a child."""
    from smart_train.cli import main

    def act() -> None:
        sys.argv = ["smart-train", *map(str, arguments)]
        main()

    status = run_child(act, inputs() / "log")
    assert status == 0, (inputs() / "log").read_text()


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


@functools.cache
def hub() -> Hub:
    """A Hub in a thread of the process that forks, and this process's client pointed at it."""
    from huggingface_hub import constants

    import smart_train.export.hub
    import smart_train.utils.hub_retries

    running = Hub()
    threading.Thread(target=running._server.serve_forever, daemon=True).start()
    constants.ENDPOINT = running.url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = running.url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = False, True
    os.environ["HF_TOKEN"] = WRITER
    smart_train.utils.hub_retries.PAUSES = (0.0,)
    smart_train.export.hub.verify_folder = lambda folder: []  # it writes nothing, and takes longer than all the rest
    return running


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


def write_published() -> None:
    """Two small tasks of mteb, as if they had been downloaded."""
    from tests.evaluation.suites.layouts import beir

    data = inputs() / "published"
    if not data.is_dir():
        rows = [json.loads(line) for line in (inputs() / "rows.jsonl").read_text().splitlines()[:6]]
        queries = {f"q{at}": row["query"] for at, row in enumerate(rows)}
        documents = {row["document_id"]: row["positive"] for row in rows}
        judged = [(f"q{at}", row["document_id"], 1) for at, row in enumerate(rows)]
        for name in ("scifact", "nfcorpus"):
            beir(data / "mteb" / name, queries, documents, judged)


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


WRITERS = {
    "benchmark": Writer(benchmarking, benchmark_result),
    "train": Writer(lambda area: ["train", recipe(area)], run_result, whole=False),
    "export": Writer(lambda area: ["export", "run", "--overwrite"], export_result, copied_run),
    "encode": Writer(encoding, index_result, older_index),
    "mine": Writer(mining, mined_result),
    "compare": Writer(comparing, compared_result),
    "make-pairs": Writer(making, pairs_result),
    "tune": Writer(tuning, tuned_result, plain_model),
    "tune an export": Writer(tuning, tuned_export, lone_export),
    "evaluate": Writer(evaluating, found_result, in_found, whole=False),
    "explain": Writer(explaining, found_result, in_found),
    "validate-data": Writer(checking, found_result, whole=False),
    "push": Writer(lambda area: ["push", inputs() / "push", "--repo", f"user/{area.name}"], push_result, earlier_push),
}


# Starting it ---------------------------------------------------------------------------------------------------------


def compiled(folder: Path) -> Path:
    """The library of `support/faults.c`. Raises FileNotFoundError where there is no C compiler."""
    path = folder / "faults.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"], check=True)
    return path


def swept(
    names: Sequence[str], moments: int | None, folder: Path, kinds: Sequence[str] = tuple(KINDS), seed: int = 0
) -> dict[str, Report]:
    """`sweep` of these writers, in a process that has the library before libc."""
    library = compiled(folder)
    (folder / "inputs").mkdir()
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAULTS_INPUTS": str(folder / "inputs"),
        "SMART_TRAIN_CACHE": str(folder / "cache"),
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, "-m", "tests.fault_sweep", *names, "--child", str(folder), "--seed", str(seed)]
    command += ["--kinds", *kinds, *([] if moments is None else ["--moments", str(moments)])]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: Report(**values) for name, values in json.loads((folder / "report.json").read_text()).items()}


def _child(folder: Path, names: Sequence[str], moments: int | None, kinds: Sequence[str], seed: int) -> None:
    import torch

    import smart_train.export.routes
    import smart_train.pairs
    import smart_train.retrieval
    import smart_train.run.stages

    torch.set_num_threads(1)
    for name in IMPORTS:  # also what a run imports late: here, and not in every child
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was imported is not searched for garbage in every child, which would copy it, too
    # Drawing, and other libraries' reading of an export, cost more than all writes do.
    smart_train.run.stages.plot_run = lambda *_, **__: None
    smart_train.export.routes.find_spec = lambda name: None
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    inputs()  # here, and not in every child
    if "benchmark" in names:
        _prepare_mteb()
    reports = {}
    for name in names:
        (folder / name).mkdir()
        reports[name] = sweep(name, WRITERS[name], library, folder / name, moments, kinds, seed).__dict__
        (folder / "report.json").write_text(json.dumps(reports))


def _prepare_mteb() -> None:
    """Loads mteb before the fork, without what takes it longest: seeds of every device for each of 2,000 tasks, and
    areas under curves. The data is written in a child, because pyarrow would start threads here."""
    import mteb.abstasks.abstask
    import sentence_transformers  # noqa: F401 - mteb does, when it is first given a model
    from mteb._evaluators import retrieval_metrics

    mteb.abstasks.abstask._set_seed = lambda seed: (random.Random(seed), numpy.random.default_rng(seed))
    mteb.abstasks.AbsTaskRetrieval.k_values = (1, 5, 10)
    retrieval_metrics.nauc = lambda *_: 0.0
    mteb.get_benchmarks()
    assert run_child(write_published, inputs() / "log") == 0, (inputs() / "log").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WRITERS)}; all where none is given")
    parser.add_argument("--moments", type=int, help="calls that fail, for each kind of fault; all where not given")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.names or list(WRITERS)
    if given.child is not None:
        _child(given.child, names, given.moments, given.kinds, given.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, report in swept(names, given.moments, Path(folder), given.kinds, given.seed).items():
            print(f"{name}: {report.calls} calls that write; tried {report.tried}; {len(report.problems)} problems")
            print("".join(f"  {problem}\n" for problem in report.problems), end="")


if __name__ == "__main__":
    main()
