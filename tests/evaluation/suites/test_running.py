"""Running tasks: resumed, refused, offline; what is wrong with data; the command."""

from __future__ import annotations

import errno
import html
import json
import random
import shutil
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest

from smart_train.cli.benchmark import benchmark
from smart_train.errors import DataError, ModelError, RunError, WriteError
from smart_train.evaluation.suites.catalogue import SUITES
from smart_train.retrieval.fingerprints import sampled_fingerprint
from smart_train.utils.terms import SCORES
from tests.command import call
from tests.evaluation.suites import layouts
from tests.evaluation.suites.conftest import quick
from tests.evaluation.suites.test_ranking import VECTORS
from tests.models.text_folders import WORDS
from tests.ranks import start_command

mteb = pytest.importorskip("mteb", reason="needs the extra mteb")

from smart_train.evaluation.suites import (  # noqa: E402
    BenchmarkRun,
    MtebModel,
    RunSettings,
    TaskScores,
    choose,
    published_records,
    run_tasks,
    task_records,
)
from smart_train.evaluation.suites.local_data import load_task  # noqa: E402
from smart_train.evaluation.suites.published import FIGURES, MODELS, published_model  # noqa: E402
from smart_train.evaluation.suites.rows import check_judgements, read_rows  # noqa: E402
from smart_train.evaluation.suites.store import SHARD_SIZE  # noqa: E402
from smart_train.evaluation.suites.summary import settings_lines  # noqa: E402

QUERIES, DOCUMENTS = {"q": "question"}, {"d1": "near", "d2": "far", "d3": ("", "best")}
JUDGED = [("q", "d2", 1)]
_TIMES = ("evaluation_time", "evaluation_phases", "date")  # in mteb's results


@pytest.fixture
def start(hand_model, tmp_path):
    """Runs tasks on a model of known vectors; returns it and what came of it."""

    def run(*names: str, data: Path | None = None, output: str = "out", keep: bool = True, **options: object):
        weights, vectors = options.pop("weights", {}), options.pop("vectors", VECTORS)
        model = MtebModel(
            hand_model(vectors, **weights), cache=tmp_path / str(options.pop("cache", "cache")), **options
        )
        lines: list[str] = []
        settings = RunSettings(tmp_path / output, data=data, predictions=True, keep_embeddings=keep)
        return model, run_tasks(model, quick(choose(names)), settings, say=lines.append), lines

    return run


def test_a_second_call_runs_nothing_again(start, texts, tmp_path, monkeypatch):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    model, first, lines = start("SciFact", data=data)
    assert lines == [
        "[1/1] SciFact: 1 queries, 3 documents; ndcg_at_10 pooled 0.6309, late 0.6309, hybrid 1.0000",
    ]
    path = mteb.ResultCache(tmp_path / "out").get_task_result_path("SciFact", model.mteb_model_meta)
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(mteb, "evaluate", None)
        again, second, lines = start("SciFact", data=data)
        assert second.scores == first.scores
        assert again.model.encoded == [] and lines == ["[1/1] SciFact: done before"]
    path.write_bytes(whole[: len(whole) // 2])  # as another program's kill may leave it
    again, third, _ = start("SciFact", data=data)
    assert third.scores == first.scores and again.model.encoded == []
    kept = json.loads(path.read_text())
    kept["dataset_revision"] = "of last year"
    path.write_text(json.dumps(kept))
    start("SciFact", data=data)
    assert json.loads(path.read_text())["dataset_revision"] == choose(["SciFact"])[0].tasks[0].metadata.revision


def test_what_was_noted_of_a_task_is_told_again(start, texts):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, [*JUDGED, ("q", "d9", 1)])
    _, first, _ = start("SciFact", data=data)
    assert len(first.notes) == 1 and "judgements name documents that are not in the corpus" in first.notes[0]
    _, again, lines = start("SciFact", data=data)
    assert lines == ["[1/1] SciFact: done before"] and again.notes == first.notes


def test_results_of_other_settings_are_not_mixed(start, texts, tmp_path):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    start("SciFact", data=data)
    with pytest.raises(RunError, match="holds results of another model or of other settings") as refused:
        start("SciFact", data=data, weights={"late_weight": 2.0}, candidates=2)
    assert "scoring.late_weight: 1.0 there, 2.0 here" in str(refused.value)
    assert "candidates: null there, 2 here" in str(refused.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"mine: holds other files, such as thesis.tex; name an empty or new folder"):
        start("SciFact", data=data, output="mine")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file: is not a folder"):
        start("SciFact", data=data, output="file")


@pytest.mark.parametrize("kept", ["both", "cache", "results"])
def test_results_and_embeddings_of_version_0_1_0_are_gone_on_with(start, texts, tmp_path, monkeypatch, kept):
    """They know the model by a fingerprint of other digits, and results are filed under its first ones."""
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    with monkeypatch.context() as earlier:
        earlier.setattr("smart_train.evaluation.suites.store.model_fingerprint", sampled_fingerprint)
        first, results, _ = start("SciFact", data=data)
    if kept == "cache":
        shutil.rmtree(tmp_path / "out")
    if kept == "results":
        shutil.rmtree(tmp_path / "cache")
    again, found, lines = start("SciFact", data=data)
    assert found.scores == results.scores and again.model.encoded == []
    assert again.revision == first.revision and (kept == "cache") == (lines != ["[1/1] SciFact: done before"])
    with pytest.raises(ModelError, match="holds embeddings of another model"):
        start("SciFact", data=data, vectors={**VECTORS, "more": VECTORS["near"]})
    new, _, _ = start("SciFact", data=data, output="new", cache="new-cache")
    assert new.revision == new.weights[:16] != first.revision and len(new.weights) == 64


def test_a_damaged_record_is_named(start, texts, tmp_path):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    start("SciFact", data=data)
    for text, reason in (("[]", "holds a list, not an object"), ("{", "Expecting property name")):
        (tmp_path / "out" / "benchmark.json").write_text(text)
        with pytest.raises(RunError, match=rf"benchmark.json: cannot be read \({reason}.*\); name another --output"):
            start("SciFact", data=data)
        (tmp_path / "cache" / "encoded.json").write_text(text)
        with pytest.raises(DataError, match=rf"encoded.json: cannot be read \({reason}.*\); delete .*cache, which is"):
            start("SciFact", data=data, output="other")
        (tmp_path / "cache" / "encoded.json").unlink()


def test_another_folder_of_the_same_name_is_read_anew(start, texts, tmp_path):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    start("SciFact", data=data)
    other = layouts.beir(tmp_path / "OTHER" / "mteb" / "scifact", QUERIES, {"d1": "near", "d2": "far"}, JUDGED)
    _, run, _ = start("SciFact", data=other.parents[1], output="other")
    assert run.scores["SciFact"].documents == 2, "what datasets had prepared of the first folder was taken"


def test_prepared_rows_are_gone_when_a_task_ends(start, texts, tmp_path, monkeypatch):
    import datasets

    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    prepared, common = tmp_path / "out" / ".prepared", tmp_path / "common"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", common)
    prepared.mkdir(parents=True)
    (prepared / "of a call that was killed").touch()
    with monkeypatch.context() as patch:
        patch.setattr(mteb, "evaluate", lambda *_, **__: look(prepared))
        with pytest.raises(RuntimeError, match="stopped while the rows were there"):
            start("SciFact", data=data)
    assert not prepared.exists(), "rows of a call that failed are there"
    start("SciFact", data=data)
    assert not prepared.exists() and not common.exists()


def look(prepared: Path) -> None:
    assert list(prepared.rglob("*.arrow")) and not (prepared / "of a call that was killed").exists()
    raise RuntimeError("stopped while the rows were there")


def test_a_disk_that_takes_no_prepared_rows_is_named(texts, tmp_path, monkeypatch):
    (task,) = choose(["SciFact"])[0].tasks

    def full(*_: object, **__: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("An error occurred while generating the dataset") from error

    monkeypatch.setattr(task, "load_data", full)
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    with pytest.raises(WriteError, match=r"prepared: cannot be written \(No space left on device\); free some space"):
        load_task(task, data, tmp_path / "prepared")


def test_predictions_make_a_reranking_task(start, texts, tmp_path):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    model, run, _ = start("SciFact", data=data, keep=False)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["encoded.json"]  # not kept
    folder = tmp_path / "out" / "predictions"
    assert {path.parent.name for path in folder.glob("*/SciFact_predictions.json")} == set(SCORES)
    found = json.loads((folder / "late" / "SciFact_predictions.json").read_text())
    assert list(found["default"]["test"]["q"]) == ["d3", "d2", "d1"]
    assert found["mteb_model_meta"] == {"model_name": model.name, "revision": model.revision}


def test_a_task_without_its_data_says_what_to_fetch_and_where_to_put_it(start, texts):
    data = texts("mteb/scifact", QUERIES, DOCUMENTS, JUDGED)
    _, run, lines = start("SciFact", "NFCorpus", data=data)
    assert list(run.scores) == ["SciFact"]  # the others are run all the same
    assert lines[1] == "[2/2] NFCorpus: its data cannot be loaded"
    assert [note.partition(":")[0] for note in run.unmeasured] == [
        "NFCorpus was not measured, its data cannot be loaded"
    ]
    with pytest.raises(DataError) as told:
        run.check(2, data)
    revision = choose(["NFCorpus"])[0].tasks[0].metadata.revision
    message = str(told.value)
    assert message.startswith("the data of 1 of 2 tasks cannot be loaded:\n  NFCorpus: data set mteb/nfcorpus, rev")
    assert (
        f"hf download mteb/nfcorpus --repo-type dataset --revision {revision} --local-dir {data}/mteb/nfcorpus"
        in message
    )
    assert message.endswith(f"and pass --data {data} here (copied to this machine, if that was another one)")
    with pytest.raises(DataError, match="--local-dir DATA/mteb/nfcorpus\nand pass --data DATA here"):
        run.check(2, None)


def test_a_broken_copy_is_named(start, tmp_path):
    (tmp_path / "DATA" / "mteb" / "scifact").mkdir(parents=True)
    _, run, _ = start("SciFact", data=tmp_path / "DATA")
    assert str(tmp_path / "DATA" / "mteb" / "scifact") in run.failures[0][1]


def test_a_page_that_cannot_be_decoded_is_named(page_model, tmp_path):
    import io

    import datasets

    pages, held = layouts.pages(2)[0], []
    for page in pages:
        page.save(file := io.BytesIO(), "PNG")
        held.append({"bytes": file.getvalue(), "path": None})
    held[1]["bytes"] = held[1]["bytes"][:60]
    rows = datasets.Dataset.from_dict({"id": ["p1", "p2"], "image": held}).cast_column("image", datasets.Image())
    model = MtebModel(page_model, cache=tmp_path)
    task = choose(["VisRAGRetChartQA"])[0].tasks[0]
    documents = model.rows(rows, "document", task.metadata, "default", "train")
    with pytest.raises(DataError, match=r"VisRAGRetChartQA \(default, train\): document 'p2': "):
        model.encode(documents, {})


def test_private_tasks_are_left_out_and_told(page_model, tmp_path):
    model = MtebModel(page_model, cache=tmp_path / "cache")
    lines: list[str] = []
    chosen = choose(["Vidore3TelecomRetrieval"])
    run = run_tasks(model, chosen, RunSettings(tmp_path / "out"), say=lines.append)
    assert lines == ["[1/1] Vidore3TelecomRetrieval: private, left out"]
    assert run.notes == ["Vidore3TelecomRetrieval is private: mteb's maintainers run it on request"]
    run.check(1, None)


def test_a_task_that_the_model_cannot_read_is_refused_first(start):
    with pytest.raises(
        ModelError, match="VidoreDocVQARetrieval: holds images, but the model reads only text; .* that reads images"
    ):
        start("VidoreDocVQARetrieval")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vidore-v4", "the nearest names are vidore-v3, vidore-v2, vidore-v1"),
        ("ViDoRe-DocVQA-Retrieval", "the nearest names are VidoreDocVQARetrieval"),
        ("xyzzyxyzzy", "nor a benchmark or task of mteb. Tasks have mteb's names"),
    ],
)
def test_an_unknown_suite_names_the_nearest(name, expected):
    with pytest.raises(DataError, match=f"--suite {name}: neither a suite .vidore-v1, vidore-v2") as refused:
        choose([name])
    assert expected in str(refused.value)


def test_only_retrieval_tasks_are_run():
    with pytest.raises(DataError, match="--suite Banking77Classification: 1 of its 1 tasks are not retrieval"):
        choose(["Banking77Classification"])


def test_suites_are_mtebs_tasks_with_the_official_metric_of_each():
    sizes = {name: len(choose([name])[0].tasks) for name in SUITES}
    assert sizes == {
        "vidore-v1": 10, "vidore-v2": 4, "vidore-v3": 10, "vidore-v3.1": 10, "visrag": 6,
        "mmeb-image": 12, "mmeb-video": 5, "mmeb-ood": 4, "mmeb-visdoc": 24,
    }  # fmt: skip
    metrics = {name: set(choose([name])[0].metrics.values()) for name in SUITES}
    assert metrics == {
        "vidore-v1": {"ndcg_at_5"},
        "vidore-v2": {"ndcg_at_5"},
        "vidore-v3": {"ndcg_at_10"},
        "vidore-v3.1": {"ndcg_at_10"},
        "visrag": {"recall_at_10"},
        "mmeb-image": {"recall_at_1"},
        "mmeb-video": {"recall_at_1"},
        "mmeb-ood": {"ndcg_at_5"},
        "mmeb-visdoc": {"ndcg_at_5"},
    }
    assert choose(["VisualDocumentRetrieval"])[0].tasks  # mteb's other names of a benchmark


def test_rows_that_cannot_be_asked_are_named():
    def read(side: str, modalities: tuple[str, ...] = ("text",), **columns: object):
        return read_rows(layouts.rows_of(**columns), side, modalities, "T (default, test)")

    with pytest.raises(DataError, match=r"T \(default, test\): 1 document ids come more than once \('a'\)"):
        read("document", id=["a", "b", "a"], text=["x", "y", "z"])
    with pytest.raises(DataError, match="there is no query; at least one is needed"):
        read("query", id=[], text=[])
    with pytest.raises(DataError, match="its query side holds audio; benchmarks read text, images and videos"):
        read("query", ("audio",), id=["a"], text=["x"])
    with pytest.raises(DataError, match="has columns id, body, none of which is one of text"):
        read("document", id=["a"], body=["x"])
    with pytest.raises(DataError, match="query 'a': its text is a list; benchmarks read plain texts"):
        read("query", id=["a"], text=[["one turn", "another"]])
    with pytest.raises(DataError, match=r"column image holds Value\('string'\); it must hold one image a row"):
        rows = layouts.rows_of(id=["a"], words=["x.png"]).rename_column("words", "image")
        read_rows(rows, "document", ["image"], "T")


def test_a_row_says_what_mteb_says_of_it():
    def inputs(side: str, told: str | None = None, **columns: object):
        rows = read_rows(layouts.rows_of(id=["a"], **columns), side, ["text"], "T", told)
        return rows.inputs([0])[0], rows.key

    item, key = inputs("document", title=["Title"], text=["body "])
    assert item.text == "Title body"
    assert inputs("document", text=["Title body"])[1] == key  # known by what it says
    assert inputs("query", text=["Title body"])[1] != key
    assert inputs("query", text=["ask"], instruction=["Only of 2020."])[0].text == "ask Only of 2020."
    told, other = inputs("query", "Find it.", text=["Title body"])
    assert told.instruction == "Find it." and other not in (key, inputs("query", text=["Title body"])[1])


def test_judgements_that_nothing_can_answer_are_told():
    queries = read_rows(layouts.rows_of(id=["q1", "q2"], text=["x", "y"]), "query", ["text"], "T")
    documents = read_rows(layouts.rows_of(id=["d1", "d2"], text=["x", "y"]), "document", ["text"], "T")
    assert check_judgements("T", queries, documents, {"q1": {"d1": 1}, "q2": {"d2": 1}, "q9": {"d9": 1}}) == []
    notes = check_judgements("T", queries, documents, {"q1": {"d1": 1, "d7": 1}, "q2": {"d1": 0}})
    assert notes == [
        "T: 1 judgements name documents that are not in the corpus (query 'q1': 'd7'); mteb counts them as not found",
        "T: 1 of 2 queries have no relevant document in the corpus ('q2'); mteb counts them as 0",
    ]
    with pytest.raises(DataError, match="no query has a relevant document in the corpus of 2; .* name 'd7', for"):
        check_judgements("T", queries, documents, {"q1": {"d7": 1}})
    with pytest.raises(DataError, match="query 'q1' is to rank document 'd7', which is not in the corpus of 2"):
        check_judgements("T", queries, documents, {"q1": {"d1": 1}}, {"q1": ["d1", "d7"]})


def a_run(name: str, value: float) -> BenchmarkRun:
    scores = {"pooled": value, "late": value, "hybrid": value + 0.01}
    return BenchmarkRun(
        {
            task.metadata.name: TaskScores(
                task.metadata.name,
                task.metadata.main_score,
                {score: {"ndcg_at_5": held, "recall_at_10": held + 0.1} for score, held in scores.items()},
                1, 1, "", "",
            )
            for task in choose([name])[0].tasks
        }
    )  # fmt: skip


def test_published_figures_are_held_against_whole_suites_in_their_own_metric():
    run = a_run("mmeb-visdoc", 0.85)
    records = published_records(run, "Qwen3-VL-Embedding-2B")
    assert {record["suite"] for record in records} == {"vidore-v1", "vidore-v2", "visrag", "mmeb-ood"}
    (hybrid,) = [r for r in records if r["suite"] == "visrag" and r["score"] == "hybrid"]
    assert (hybrid["published"], hybrid["metric"]) == (86.87, "ndcg_at_5")  # VisRAG's own metric is recall_at_10
    assert (hybrid["here"], hybrid["distance"]) == (pytest.approx(86.0), pytest.approx(-0.87))
    assert len(published_records(run, None)) == 4 * 2 * len(MODELS) and "here" not in published_records(run, None)[0]
    means = [record for record in task_records(choose(["visrag", "mmeb-visdoc"]), run) if record["task"] is None]
    assert [(m["suite"], m["metric"], m["tasks"], m["of"]) for m in means] == [
        ("visrag", "recall_at_10", 6, 6),
        ("mmeb-visdoc", "ndcg_at_5", 24, 24),
    ]
    assert means[0]["late"] == pytest.approx(0.95) and means[1]["late"] == pytest.approx(0.85)
    del run.scores["VisRAGRetChartQA"]
    assert {record["suite"] for record in published_records(run, None)} == {"vidore-v1", "vidore-v2", "mmeb-ood"}


def test_which_published_model_it_is():
    assert published_model(None, ["Qwen3-VL-Embedding-2B"]) == "Qwen3-VL-Embedding-2B"
    assert published_model(None, ["", "gme-Qwen2-VL-2B-Instruct"]) == "GME-2B"
    assert published_model(None, ["gme-Qwen2-VL-7B-Instruct", "my-model"]) is None
    assert published_model("qwen3-vl-embedding-8b", []) == "Qwen3-VL-Embedding-8B"
    with pytest.raises(DataError, match="--published GME-2: no published figures of it are known, did you mean GME-2B"):
        published_model("GME-2", [])


def test_the_page_says_what_reproduces_a_figure(page_model, tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "benchmark-suites.md").read_text(encoding="utf-8")
    figures = FIGURES["vidore-v1"]["Qwen3-VL-Embedding-2B"]
    assert f"pooled {figures.pooled:.2f}, hybrid {figures.hybrid:.2f}" in page
    untouched = replace(page_model.family.prompts, min_pixels=None, max_pixels=None)
    page_model.family.prompts, changed = untouched, page_model.family.prompts
    try:
        lines = dict(settings_lines(MtebModel(page_model, cache=tmp_path, name="a/b")))
    finally:
        page_model.family.prompts = changed
    for setting in ("instructions", "pixels"):
        assert f"| {setting} | {lines[setting]} |" in page
    assert lines["tokens"].startswith("query content, document content, pooled token keep, layer -1;")
    if mteb.__version__ not in page:
        pytest.skip(f"the page has the data sets of another mteb than {mteb.__version__}")
    for task in choose(["SciFact", "NFCorpus", "ArguAna"]) + choose(["vidore-v1"]):
        for one in task.tasks:
            named = one.metadata
            assert f"| {named.name} | {named.dataset['path']}, `{named.revision}` |" in page


@pytest.fixture
def text_model(tmp_path):
    from smart_train import SmartModel
    from tests.models.text_folders import encoder_folder

    model = SmartModel.from_config(encoder_folder(tmp_path / "config"), family="text_encoder", init_std=0.2)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_command_prints_a_table_and_what_made_it(text_model, texts, tmp_path, monkeypatch, capsys):
    words = {"d1": "the cat sat", "d2": "red page", "d3": "green mat total"}
    data = texts("mteb/scifact", {"q": "red page total"}, words, [("q", "d2", 1)])
    arguments = ("benchmark", text_model, "--suite", "SciFact", "--output", tmp_path / "out", "--data", data)
    assert call(monkeypatch, *arguments, "scoring.late_weight=2") == 0
    printed = capsys.readouterr().out
    assert "[1/1] SciFact: 1 queries, 3 documents; ndcg_at_10 pooled" in printed
    assert "nDCG@10" in printed and "hybrid = 1 x pooled + 2 x late" in printed
    assert "query: none; document: none" in printed and "query content, document content, pooled token" in printed
    assert max(map(len, printed.splitlines()[1:8])) <= 80
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["scores"][0]["suite"] == "SciFact" and summary["settings"]["name"] == "smart_train/model"
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert "Benchmarks of smart_train/model" in page and "hybrid = 1 x pooled + 2 x late" in page and "SciFact" in page
    assert call(monkeypatch, *arguments[:-1], tmp_path / "nowhere") == 2
    capsys.readouterr()
    assert call(monkeypatch, *arguments) == 2  # other weights than those of the results
    assert "scoring.late_weight: 2" in capsys.readouterr().err
    assert call(monkeypatch, *arguments[:3], "NFCorpus", "--output", tmp_path / "second") == 2
    assert "--local-dir DATA/mteb/nfcorpus" in capsys.readouterr().err


@pytest.mark.slow  # each process imports mteb
@pytest.mark.dist
def test_two_processes_write_and_print_what_one_does(text_model, texts, tmp_path, monkeypatch, capsys):
    drawn = random.Random(0)
    count = SHARD_SIZE + 8  # a file of embeddings for each process
    documents = {f"d{at}": " ".join(drawn.choices(WORDS, k=8)) for at in range(count)}
    queries = {f"q{at}": " ".join(drawn.choices(WORDS, k=3)) for at in range(12)}
    data = texts("mteb/scifact", queries, documents, [(f"q{at}", f"d{9 * at}", 1) for at in range(12)])
    words = ["benchmark", text_model, "--suite", "SciFact", "--data", data, "--predictions", "--output"]
    one, two, log = tmp_path / "one", tmp_path / "two", tmp_path / "log"
    together = start_command([*words, two], log, count=2)
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0], log.read_text()
    assert call(monkeypatch, *words, one) == 0
    told = [line for line in log.read_text().splitlines() if line.startswith("[1/1] SciFact: 12 queries")]
    assert len(told) == 1 and told[0] in capsys.readouterr().out, "both processes told the result"
    written = [dict(files_of(folder)) for folder in (one, two)]
    assert written[0].keys() == written[1].keys() and len(written[0]) > 8
    for name in written[0]:
        assert without_times(written[1][name]) == without_times(written[0][name]), name
    assert len(list(two.rglob("documents-*.safetensors"))) == 2


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """Results, tables and pages, by their place in `folder`."""
    files = [*folder.rglob("*.json"), *folder.rglob("*.html"), *folder.rglob("*.jsonl")]
    return [(file.relative_to(folder).as_posix(), file) for file in sorted(files)]


def without_times(file: Path) -> object:
    if file.suffix != ".json":
        return file.read_text()
    held = json.loads(file.read_text())
    return {key: value for key, value in held.items() if key not in _TIMES}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--suite", "vidore-v9"), "--suite vidore-v9: neither a suite"),
        (("--suite", "SciFact", "data.path=x"), "data.path=x: has no effect on a benchmark; benchmark accepts scoring"),
        (
            ("--suite", "SciFact", "--store", "int4"),
            "--store is 'int4', it must be one of ",
        ),
        (("--suite", "SciFact", "--name", "mine"), "--name mine: must read OWNER/NAME"),
        (("--suite", "SciFact", "--published", "GPT"), "--published GPT: no published figures of it are known"),
    ],
)
def test_mistakes_are_told_before_the_model_is_loaded(options, message, tmp_path, monkeypatch, capsys):
    model = tmp_path / "no-model"
    model.mkdir()
    (model / "config.json").write_text("{}")  # what looks like a model from outside
    assert call(monkeypatch, "benchmark", model, "--output", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_commands_defaults_are_the_librarys() -> None:
    options = {name: option.default for name, option in signature(benchmark).parameters.items()}
    model = signature(MtebModel).parameters
    assert options["batch_size"] == RunSettings(Path()).batch_size
    assert {name: options[name] for name in ("store", "candidates")} == {
        name: model[name].default for name in ("store", "candidates")
    }
