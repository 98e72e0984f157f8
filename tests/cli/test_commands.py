"""The command line: what it hands to the rooms below, and how mistakes look."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import torch

from smart_train import SmartModel
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator, evaluator
from smart_train.recipe import Recipe, load_recipe
from smart_train.scoring import forced_arithmetic
from smart_train.scoring.rounding_bounds import scan_products
from tests.command import call
from tests.models.text_folders import encoder_folder
from tests.models.vision_folders import vision_folder

TINY = Path(__file__).parents[2] / "data" / "tiny-qwen3-vl"
RECIPE = "model: {name_or_path: base}\ndata: {train: {path: rows}, evaluation: {path: held_out}}\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    """Puts a module of the given contents in the place of a room, whose own modules stay."""

    def replace(name: str, **contents: object) -> None:
        module, spec = ModuleType(name), find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            module.__path__ = [*spec.submodule_search_locations]
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)

    return replace


def test_help_names_every_command(run) -> None:
    ended = run("--help")
    assert ended.status == 0
    commands = ("launch", "train", "validate", "evaluate", "export", "encode", "search", "mine", "inspect", "push")
    for command in (*commands, "convert-projection"):
        assert f" {command} " in ended.out


def test_help_breaks_sentences_at_the_terminals_width_alone(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    for arguments in ((), ("validate-data",)):
        assert "empty and repeated queries, leakage, languages" in run(*arguments, "--help").out


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train"], ["search", "model"]])
def test_misuse_ends_with_status_2(run, arguments: list[str]) -> None:
    assert run(*arguments).status == 2


def test_a_users_mistake_is_its_message_alone(run, recipe: Path) -> None:
    for command in ("train", "validate", "launch"):
        ended = run(command, recipe, "training.learning_rat=1")
        assert ended.status == 2
        assert ended.err == (
            f"smart-train: {recipe}: 1 mistake\n  training.learning_rat: unknown key, did you mean learning_rate?\n"
        )


def test_a_mistake_of_ours_keeps_its_traceback(run, recipe: Path, fake) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    fake("smart_train.run", train=broken)
    with pytest.raises(RuntimeError, match="ours"):
        run("train", recipe)


def test_train_hands_the_resolved_recipe_on(run, recipe: Path, fake) -> None:
    seen = []
    fake("smart_train.run", train=lambda recipe, *, overwrite: seen.append((recipe, overwrite)))
    assert run("train", recipe, "lora.r=4", "--overwrite").status == 0
    assert run("train", recipe).status == 0
    assert [(type(item), item.lora.r, overwrite) for item, overwrite in seen] == [
        (Recipe, 4, True),
        (Recipe, 128, False),
    ]


class FakePlan(NamedTuple):
    problems: list[str]

    def rows(self) -> list[tuple[str, str]]:
        return [("global batch", "64 pairs [x]")]


def test_validate_prints_what_was_derived(run, recipe: Path, fake) -> None:
    fake("smart_train.run.plan", make_plan=lambda recipe: FakePlan([]))
    ended = run("validate", recipe)
    assert ended.status == 0
    assert "global batch" in ended.out and "64 pairs [x]" in ended.out


def test_validate_lists_every_problem(run, recipe: Path, fake) -> None:
    fake("smart_train.run.plan", make_plan=lambda recipe: FakePlan(["first problem", "second problem"]))
    ended = run("validate", recipe)
    assert ended.status == 2
    assert ended.err == f"smart-train: {recipe}: cannot run\n  first problem\n  second problem\n"
    assert "global batch" in ended.out


def test_a_dry_run_shows_command_and_quantities_and_starts_nothing(run, recipe: Path, fake, monkeypatch) -> None:
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("a dry run started something"))
    fake("smart_train.run.plan", make_plan=lambda recipe: FakePlan([]), processes=lambda recipe: 2)
    ended = run("launch", "--dry-run", recipe, "lora.r=4")
    assert ended.status == 0
    assert "accelerate launch " in ended.out
    assert ended.out.splitlines()[0].endswith(f"-m smart_train train {recipe} lora.r=4")
    assert "global batch" in ended.out


def test_a_dry_run_of_seeds_says_how_many_runs_there_are(run, recipe: Path, fake) -> None:
    fake("smart_train.run.plan", make_plan=lambda recipe: FakePlan([]), processes=lambda recipe: 1)
    dry = ("launch", "--dry-run", recipe, "training.output_dir=out")
    said = run(*dry, "--seeds", "4,7,9").out
    assert "runs          3, one after the other, in out/seed-4, out/seed-7, out/seed-9; all lines below are of" in said
    assert "runs  " not in run(*dry).out


def test_launch_becomes_the_launcher(run, recipe: Path, fake, monkeypatch) -> None:
    started = []
    monkeypatch.setattr("os.execve", lambda *arguments: started.append(arguments))
    fake("smart_train.run.plan", processes=lambda recipe: 2)
    assert run("launch", recipe, "--overwrite").status == 0
    program, command, environment = started[0]
    assert program == command[0] and command[-4:] == ["smart_train", "train", str(recipe), "--overwrite"]
    assert environment["ACCELERATE_USE_CPU"] == "true" and "PATH" in environment


@pytest.fixture(scope="module")
def rows(pages: Path) -> Path:
    path = pages / "held_out.jsonl"
    lines = [{"query": f"a {page.stem} page", "image": page.name} for page in sorted(pages.glob("*.png"))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_evaluate_measures_a_model_on_given_rows(run, model: Path, rows: Path, tmp_path: Path) -> None:
    ended = run("evaluate", model, "--data", rows, "--output", tmp_path / "out.json")
    assert ended.status == 0, ended.err
    assert f"{rows}: 3 queries against 3 documents" in ended.out and "hybrid" in ended.out
    assert EvaluationResult.load(tmp_path / "out.json").metrics["hybrid"]["recall@10"] == 1.0


def test_evaluate_writes_a_page(run, model: Path, rows: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    for _ in range(2):  # its own page is written anew
        ended = run("evaluate", model, "--data", rows, "--report", page)
        assert ended.status == 0, ended.err
    assert f"Written: {page}" in ended.out
    text = page.read_text()
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["What was evaluated", "Result", "Worst queries"]
    assert "a red page (hybrid nDCG@5 " in text and text.count("<b>the document that answers it</b>") == 3
    assert f"<dd>{model}, read as qwen3_vl_embedding</dd>" in text
    assert "--report x.txt: must end in .html" in run("evaluate", model, "--data", rows, "--report", "x.txt").err


def test_a_misspelt_run_or_recipe_is_answered_with_the_nearest_name(run, recipe: Path, monkeypatch) -> None:
    monkeypatch.chdir(recipe.parent)
    Path("runs/quickstart").mkdir(parents=True)
    assert "runs/quickstrat: not a run folder, did you mean runs/quickstart?" in run("evaluate", "runs/quickstrat").err
    said = run("validate", "mien.yaml").err
    assert "mien.yaml: no such recipe file, did you mean mine.yaml?" in said


def test_evaluate_takes_other_weights_and_rows_without_a_recipe(run, model: Path, rows: Path, tmp_path: Path) -> None:
    saved = tmp_path / "out.json"
    changes = ("scoring.late_weight=0", "scoring.pooled_weight=2", "evaluation.batch_size=2", "data.on_error=skip")
    (rows.parent / "more.jsonl").write_text(rows.read_text() + '{"query": "gone", "image": "gone.png"}\n')
    narrow = ("--products", "float16")
    ended = run("evaluate", model, *changes, *narrow, "--data", rows.parent / "more.jsonl", "--output", saved)
    assert ended.status == 0, ended.err
    assert "scored again by exact products: 100.00% of 9 scores" in ended.out, "all three are among the first ten"
    assert "--products is 'tf32'" in run("evaluate", model, "--products", "tf32", "--data", rows).err
    assert "3 of 4 rows" in ended.out
    result = EvaluationResult.load(saved)
    assert (result.scoring["late_weight"], result.scoring["pooled_weight"]) == (0, 2)
    assert result.per_query["hybrid"] == result.per_query["pooled"]
    assert "scoring.late_wait" in run("evaluate", model, "scoring.late_wait=0", "--data", rows).err


def test_evaluate_does_not_print_products_that_nobody_asked_for(run, model: Path, rows: Path, monkeypatch) -> None:
    taken = []

    def noted(*asked: object) -> str:
        taken.append(scan_products(*asked))
        return taken[-1]

    monkeypatch.setattr(evaluator, "scan_products", noted)
    with forced_arithmetic("native"):
        ended = run("evaluate", model, "scoring.stored_as=bfloat16", "--data", rows)
    assert ended.status == 0, ended.err
    assert taken == ["bfloat16"], "else this test could not fail"
    assert "scored again" not in ended.out


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of texts."""
    folder = tmp_path_factory.mktemp("reader")
    SmartModel.from_config(encoder_folder(folder / "bare"), init_std=0.5).save_pretrained(folder / "model")
    return folder / "model"


def test_the_first_command_ends_in_a_verdict(
    run, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("a red apple", "a blue sky", "a grey cat", "the mat", "total revenue", "a green page", "the dog sat")
    lines = [{"question": text[2:], "passage": f"{text} {text} on the page"} for text in words]
    rows = tmp_path / "pairs.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"question": "", "passage": "x"}]))
    told = run("evaluate", reader, "--data", rows)
    assert (
        told.status == 2 and "Name it: --columns query=question,positive=passage; or --columns positional" in told.err
    )
    assert "in the recipe" not in told.err and f"--data: {rows}" in told.err
    named = ("--columns", "query=question,positive=passage")
    assert "--data: 1 of 8 rows" in run("evaluate", reader, "--data", rows, *named).err
    out = tmp_path / "out.json"
    ended = run("evaluate", reader, "--data", rows, *named, "--on-error", "skip", "--output", out)
    assert ended.status == 0, ended.err
    verdict = ended.out[ended.out.index("Verdict: ") :].splitlines()
    assert re.match(r"Verdict: hybrid .* at 7 queries, by nDCG@5: pooled 0\.\d{3}, hybrid 0\.\d{3} \(", verdict[0])
    assert "7 queries" in verdict[1] and "a document takes 128 bytes pooled, and " in verdict[2]
    assert verdict[3].startswith("  next: ")
    result = EvaluationResult.load(out)
    assert result.query_texts[0] == "red apple" and len(result.found["late"][0]) == 5
    other = run("evaluate", reader, "--data", rows, *named, "--on-error", "skip", "evaluation.metric=hybrid_recall@1")
    assert "by recall@1: pooled" in other.out
    few = run("evaluate", reader, "--data", rows, *named, "--max-samples", 3)
    assert "3 queries cannot show any difference; it takes at least 6" in few.out
    monkeypatch.setattr("smart_train.cli.quiet.quiet_libraries", lambda: pytest.fail("imports the libraries"))
    gone = run("evaluate", reader, "--data", tmp_path / "paris.jsonl", "--corpus", tmp_path / "more.jsonl")
    assert f"smart-train: --data: {tmp_path / 'paris.jsonl'}: no such file or folder, did you mean pairs" in gone.err
    assert f"\n--corpus: {tmp_path / 'more.jsonl'}: no such file or folder" in gone.err
    wrong = run("evaluate", reader, "--data", rows, "--columns", "query=questoin,positive=passage")
    assert "--columns query: there is no column 'questoin', did you mean question?" in wrong.err
    assert "must read OURS=THEIRS" in run("evaluate", reader, "--data", rows, "--columns", "question").err


def test_documents_of_a_search_are_read_as_the_options_say(run, reader: Path, tmp_path: Path) -> None:
    file = tmp_path / "faq.jsonl"
    lines = [{"name": f"faq-{i}", "answer": text, "text": "x"} for i, text in enumerate(("red", "blue sky", "cat"))]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    named = ("--columns", "positive=answer,document_id=name", "--max-samples", 2)
    ended = run("search", reader, "--documents", file, *named, "--query", "blue sky")
    assert ended.status == 0, ended.err
    assert "faq-0" in ended.out and "faq-1" in ended.out and "faq-2" not in ended.out and "blue sky" in ended.out
    assert "2 documents" in run("encode", reader, "--documents", file, *named, "--index", tmp_path / "index").out
    wrong = run("search", reader, "--documents", file, "--columns", "positive=anser", "--query", "x")
    assert "there is no column 'anser', did you mean answer?" in wrong.err
    alone = run("search", reader, "--documents", file, "--sample-seed", 1, "--query", "x")
    assert "--sample-seed needs --max-samples" in alone.err


def test_evaluate_decodes_in_as_many_workers_as_asked(
    run, model: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    measure = RetrievalEvaluator.__call__
    monkeypatch.setattr(
        RetrievalEvaluator, "__call__", lambda self, reader: (asked.append(self.num_workers), measure(self, reader))[1]
    )
    plain = run("evaluate", model, "--data", rows)
    beside = run("evaluate", model, "--data", rows, "--workers", 1)
    assert asked == [None, 1] and plain.out == beside.out and "hybrid" in plain.out


def test_evaluate_takes_a_runs_own_rows(run, finished: Path, rows: Path) -> None:
    ended = run("evaluate", finished, f"data.evaluation.path={rows}")
    assert ended.status == 0, ended.err
    assert "3 queries against 3 documents" in ended.out


def test_evaluate_measures_the_rows_that_a_run_reports(run, finished: Path, rows: Path, tmp_path: Path) -> None:
    only = tmp_path / "only.jsonl"
    only.write_text(rows.read_text().splitlines()[0])
    test = [f"data.test.path={only}", f"data.test.image_root={rows.parent}"]
    ended = run("evaluate", finished, f"data.evaluation.path={rows}", *test)
    assert "data.test: 1 query against 1 document" in ended.out, ended.err
    ended = run("evaluate", finished, f"data.evaluation.path={rows}", *test, "data.test=null")
    assert "data.evaluation: 3 queries against 3 documents" in ended.out, ended.err


def test_what_a_folder_does_not_say_of_its_model_is_said_on_the_command_line(run, pages, rows, tmp_path) -> None:
    bare = tmp_path / "bare"
    SmartModel.from_config(vision_folder(tmp_path / "q2", "qwen2_vl"), family="vlm2vec").save_pretrained(bare)
    (bare / "smart_config.json").unlink()
    look = ["search", bare, "--documents", pages, "--query", "red", "--json"]
    assert "; pass --family" in run(*look).err
    default, other = (
        json.loads(run(*look, "--family", "vlm2vec", *more).out)["hits"]
        for more in ([], ["--query-instruction", "Seek"])
    )
    assert {hit["document_id"] for hit in default} == {"red.png", "green.png", "blue.png"} and default != other
    assert run("encode", bare, "--documents", pages, "--index", tmp_path / "index", "--family", "vlm2vec").status == 0
    told = run("evaluate", bare, "--data", rows, "--family", "vlm2vec", "--document-instruction", "A page.")
    assert told.status == 0, told.err


@pytest.mark.usefixtures("without_peers")
def test_a_run_folder_is_a_model_for_every_command(run, finished: Path, pages: Path, rows: Path, tmp_path) -> None:
    asked = ("--documents", pages, "--query", "red", "--json")
    assert run("search", finished, *asked).out == run("search", finished / "final", *asked).out != ""
    assert "no smart_config.json" not in run("verify", finished).err
    assert "golden.safetensors" in run("verify", finished).err, "final/ was not exported"
    assert run("export", finished).status == 0
    assert SmartModel.from_pretrained(finished).base == SmartModel.from_pretrained(finished / "export").base
    assert "PASSED" in run("verify", finished).out
    (finished / "final").rename(tmp_path / "elsewhere")  # the export is enough
    assert run("search", finished, *asked).status == 0
    assert run("encode", finished, "--documents", pages, "--index", tmp_path / "index").status == 0
    assert run("evaluate", finished, "--data", rows).status == 0


def test_a_misspelt_model_is_answered_with_the_nearest_before_anything_is_imported(
    run, finished: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.cli.quiet.quiet_libraries", lambda: pytest.fail("imports the libraries"))
    wrong = finished.with_name("rum")
    for arguments in (
        ("search", wrong, "--documents", pages, "--query", "red"),
        ("encode", wrong, "--documents", pages, "--index", pages / "index"),
        ("evaluate", wrong, "--data", "rows.jsonl"),
        ("verify", wrong),
        ("export", wrong),
        ("push", wrong, "--repo", "user/name"),
    ):
        ended = run(*arguments)
        assert ended.status == 2 and f"{wrong}: no such folder, did you mean {finished}?" in ended.err, arguments
    monkeypatch.undo()
    assert f"did you mean {finished}?" in run("inspect", wrong).err


def test_evaluate_needs_to_know_the_rows(run, model: Path, recipe: Path) -> None:
    assert "pass --data or --recipe" in run("evaluate", model).err
    needed = "--split needs --data; with a recipe, set data.evaluation.split=..."
    assert needed in run("evaluate", model, "--split", "test", "--corpus", "more").err
    assert (
        "--on-error needs --data; with a recipe, set data.on_error=..."
        in run("evaluate", model, "--on-error", "skip").err
    )
    assert "lora.r=1: has no effect on what is measured" in run("evaluate", model, "lora.r=1", "--data", recipe).err
    assert f"--output {recipe.parent}: is a folder" in run("evaluate", model, "--output", recipe.parent).err
    assert "does not hold metrics of evaluate; name" in run("evaluate", model, "--output", recipe).err
    assert (
        "has neither data.test nor data.evaluation"
        in run("evaluate", model, "data.evaluation=null", "--recipe", recipe).err
    )


@pytest.fixture
def finished(tmp_path: Path, model: Path) -> Path:
    """A run folder with a trained model and nothing after it."""
    folder = tmp_path / "run"
    folder.mkdir()
    source = tmp_path / "source.yaml"
    source.write_text(RECIPE)
    recipe = load_recipe(source, ["full={}", f"training.output_dir={folder}", "export.dtype=float32"])
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    state = {"state": "trained", "fingerprint": recipe.fingerprint, "versions": {"torch": "2"}}
    state |= {"data": "0", "world_size": 1, "together": 4, "strategy": "none"}
    (folder / "run.json").write_text(json.dumps(state))
    SmartModel.from_pretrained(model).save_pretrained(folder / "final")
    return folder


@pytest.mark.usefixtures("without_peers")
def test_export_writes_into_the_run_and_not_twice(run, finished: Path) -> None:
    ended = run("export", finished)
    assert ended.status == 0, ended.err
    assert str(finished / "export") in ended.out
    assert SmartModel.from_pretrained(finished / "export").hidden_size == 96
    again = run("export", finished)
    assert again.status == 2 and "exists already" in again.err
    assert run("export", finished, "--overwrite").status == 0


def test_export_of_a_run_without_a_trained_model(run, finished: Path) -> None:
    (finished / "final").rename(finished / "elsewhere")
    ended = run("export", finished)
    assert ended.status == 2 and "no trained model yet" in ended.err


def test_export_of_another_folder_asks_where_to(run, model: Path) -> None:
    ended = run("export", model)
    assert ended.status == 2 and "pass --output" in ended.err


def test_inspect_tells_how_far_a_run_got(run, finished: Path) -> None:
    report = {"before": {"late": {"ndcg@5": 0.25}}, "after": {"late": {"ndcg@5": 0.75}}}
    report |= {"measured_on": "data.test", "queries": 3, "documents": 4}
    (finished / "evaluation.json").write_text(json.dumps(report))
    (finished / "checkpoint-7").mkdir()
    ended = run("inspect", finished)
    assert ended.status == 0
    measured = "data.test, 3 queries against 4 documents"
    for words in ("trained", "full, objective joint", measured, "late 0.250", "late 0.750", "checkpoint-7"):
        assert words in ended.out
    for file, said in (("evaluation.json", "not valid JSON"), ("run.json", "not valid JSON")):
        (finished / file).write_text("{")
        ended = run("inspect", finished)
        assert ended.status == 2 and f"{finished / file}: {said}" in ended.err


def test_inspect_tells_what_a_model_folder_holds(run, model: Path, tmp_path: Path) -> None:
    ended = run("inspect", model)
    assert ended.status == 0
    for words in ("backbone", "qwen3_vl_embedding", "late_weight 1.0", "numbers in", "F32"):
        assert words in ended.out
    bare = run("inspect", TINY).out
    for words in (
        "none; use it with model.from_config",
        "qwen3_vl_embedding",
        "query_tokens content",
        "at most 8,192 tokens",
    ):
        assert words in bare
    assert r"matches the given query.<|im_end|>\n<|im_start|>user\nTEXT<|im_end|>" in bare
    e5 = encoder_folder(
        tmp_path / "e5",
        pooling={"pooling_mode": "mean"},
        settings={"prompts": {"query": "query: ", "passage": "passage: "}},
    )
    said = run("inspect", e5).out
    assert re.search(
        r'a query +"query: TEXT"\na document +"passage: TEXT"\npooling +mean\nlength +at most 64 tok', said
    )
    (e5 / "1_Pooling" / "config.json").unlink()
    assert re.search(r"prompts +not known \(.*1_Pooling.config.json: missing", run("inspect", e5).out)
    gme = vision_folder(tmp_path / "gme", "qwen2_vl")
    assert "not known" in run("inspect", gme).out and "set model.family" in run("inspect", gme).out
    (gme / "gme_inference.py").touch()
    assert "query_tokens text" in run("inspect", gme).out
    (e5 / "model.safetensors").write_bytes(b"cut")
    assert re.search(r"model.safetensors +damaged: ", run("inspect", e5).out)
    assert "neither a run nor a model folder" in run("inspect", tmp_path).err
    assert "no such folder" in run("inspect", tmp_path / "absent").err


def test_inspect_takes_the_name_of_a_package_as_other_commands_do(
    run, model: Path, tmp_path: Path, monkeypatch
) -> None:
    package = tmp_path / "some_embedder"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model").symlink_to(model)
    monkeypatch.syspath_prepend(tmp_path)
    ended = run("inspect", "some-embedder")
    assert ended.status == 0 and ended.out.startswith("model") and "backbone" in ended.out


def test_convert_projection_says_what_it_found(run, model: Path, tmp_path: Path) -> None:
    width = SmartModel.from_pretrained(model).hidden_size
    weights = {"proj.0.weight": torch.ones(width), "proj.0.bias": torch.zeros(width)}
    saved = {
        "token_projection_module": {**weights, "proj.1.weight": torch.eye(8, width)},
        "default_instruction": "Read.",
    }
    torch.save(saved, tmp_path / "adapter.pt")
    ended = run(
        "convert-projection", str(tmp_path / "adapter.pt"), "--output", str(tmp_path / "p"), "--base", str(model)
    )
    assert ended.status == 0
    said = dict(re.split(r"  +", line, maxsplit=1) for line in ended.out.splitlines())
    assert said == {
        "projection": str(tmp_path / "p"),
        "width": f"{width} to 8",
        "layers": "-1",
        "trained with": "Read.",
        "base": str(model),
    }
    assert SmartModel.from_pretrained(tmp_path / "p").projection.dim == 8
    seen = run("inspect", tmp_path / "p").out
    for words in ("token projection", f"hidden_size {width}, dim 8, hidden_dim None, layers [-1]", str(model)):
        assert words in seen
    again = run("convert-projection", str(tmp_path / "p" / "smart_config.json"), "--output", str(tmp_path / "q"))
    assert again.status == 2 and "not a file that torch.save wrote" in again.err


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "utf-8"])
def test_a_name_that_the_terminal_cannot_show_is_written_out(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters that its encoding lacks, and bytes that are no letters, as in file names from another system."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", shown)
    folder = tmp_path / os.fsdecode("日本 gr\xfcn".encode() + b"\xff")
    assert call(monkeypatch, "recipes", "quickstart", "--to", folder) == 0
    shown.flush()
    assert shown.buffer.getvalue().decode(encoding).startswith(str(tmp_path))
    assert (folder / "quickstart.yaml").is_file() and b"\\udcff" in shown.buffer.getvalue()
    assert f"\nNext: smart-train validate '{tmp_path}".encode() in shown.buffer.getvalue(), "the name has a blank"


def test_a_place_that_this_user_may_not_use_is_named_without_a_traceback(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def denied(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "is_dir", denied)
    ended = run("inspect", tmp_path / "run")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("smart-train: ") and "run: permission denied: this user may not use it" in ended.err


def test_version_names_what_runs(run) -> None:
    ended = run("--version")
    lines = dict(line.split() for line in ended.out.splitlines())
    assert ended.status == 0 and lines["smart_train"] == version("smart_train") and lines["torch"] == version("torch")
    assert {"python", "transformers", "peft", "accelerate"} <= lines.keys()
