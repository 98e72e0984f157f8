"""What `validate` and `--dry-run` print is what the run does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from smart_train.errors import DataError, RecipeError
from smart_train.recipe import Recipe, parse_recipe
from smart_train.recipe.reader import merge
from smart_train.recipe.sections import ModelSection
from smart_train.run import build
from smart_train.run.plan import make_plan, processes
from smart_train.run.stages import train
from smart_train.training import bfloat16_speed
from smart_train.utils.counts import counted
from tests.models.text_folders import encoder_folder
from tests.models.vision_folders import vision_folder
from tests.runs import MODES, WIDTH, recipe_values, tiny_recipe, write_rows


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            {
                "processes": "1",
                "global batch": "4 pairs per optimiser step",
                "candidates per query": "4 documents (1 positive), less those known to be relevant",
                "optimiser steps": "6 (6 an epoch, 1.0 epochs)",
                "train rows": "24 rows",
                "evaluation rows": "10 rows",
                "held out": "10 queries against 10 documents",
            },
        ),
        (
            {"training": {"gradient_accumulation_steps": 4, "max_steps": -1, "num_train_epochs": 3}},
            {
                "global batch": "16 pairs per optimiser step (4 accumulated, which adds no candidates)",
                "candidates per query": "4 documents (1 positive), less those known to be relevant",
                "optimiser steps": "6 (2 an epoch, 3.0 epochs)",  # 6 batches: one step of 4, one of 2
            },
        ),
        (
            {"training": {"per_device_train_batch_size": 5, "max_steps": 10}},
            {"optimiser steps": "10 (4 an epoch, 2.5 epochs)"},  # 4 rows of an epoch are left out
        ),
        (
            {"training": {"per_device_train_batch_size": 5, "max_steps": 10, "dataloader_drop_last": False}},
            {"optimiser steps": "10 (5 an epoch, 2.0 epochs)"},
        ),
        (
            {"data": {"negatives_per_query": 1}, "distributed": {"num_processes": 2}},
            {
                "processes": "2",
                "global batch": "8 pairs per optimiser step",
                "candidates per query": "16 documents (1 positive), less those known to be relevant",
                "optimiser steps": "6 (3 an epoch, 2.0 epochs)",
            },
        ),
        (
            {"data": {"train": {"max_samples": 9}}},
            {"train rows": "9 rows", "optimiser steps": "6 (2 an epoch, 3.0 epochs)"},
        ),
    ],
)
def test_quantities_by_hand(tiny_data: Path, tmp_path: Path, changes: dict, expected: dict[str, str]) -> None:
    plan = make_plan(tiny_recipe(tiny_data, tmp_path / "run", **changes))
    assert plan.problems == [] == plan.unchecked
    assert {name: plan.lines[name] for name in expected} == expected
    assert plan.rows() == list(plan.lines.items())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mode", MODES)
def test_parameters_are_those_of_the_model_that_trains(tiny_data: Path, tmp_path: Path, mode: str) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path, **MODES[mode])
    model = build.prepare_for_training(build.base_model(recipe), recipe)
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    plan = make_plan(recipe)
    assert plan.lines["parameters"] == f"{total:,}, of which {trained:,} ({trained / total:.2%}) are trained"
    assert plan.lines["model"].endswith(f"({mode}, objective {'late' if mode == 'projection' else 'joint'})")


def test_tokens_are_counted_on_real_rows_and_memory_is_called_rough(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path)
    rows, _ = build.usable_rows(recipe, "train")
    model = build.base_model(recipe)
    features = model.family.featurize([row.documents[0] for row in rows[:16]], "document")
    tokens, kept = features["attention_mask"].sum(1), features["token_mask"].sum(1)
    plan = make_plan(recipe)
    said = f"document {tokens.float().mean():.0f} ({kept.float().mean():.0f} kept)"
    assert plan.lines["tokens per input"].endswith(said)
    assert plan.lines["memory per process"].startswith("roughly ")
    for part in ("weights", "gradients", "optimiser", "activations", "token states", "pixels"):
        assert part in plan.lines["memory per process"]


def test_weights_that_are_sharded_are_whole_at_first(tiny_data: Path, tmp_path: Path) -> None:
    changes = {"model": {"from_config": {"overrides": {"text_config": {"vocab_size": 300_000}}}}}
    spread = {"strategy": "zero3", "num_processes": 100}
    recipe = tiny_recipe(tiny_data, tmp_path, **merge(MODES["lora"], {**changes, "distributed": spread}))
    plan = make_plan(recipe)
    assert "; for the whole weights, before they are sharded: 37." in plan.lines["memory per process"]
    assert plan.lines["main memory"] == "roughly 3.6 GiB for the 100 processes here"


def test_more_of_everything_is_more_memory(tiny_data: Path, tmp_path: Path) -> None:
    def bytes_of(**changes: Any) -> float:
        text = make_plan(tiny_recipe(tiny_data, tmp_path, **changes)).lines["memory per process"]
        number, unit = text.split()[1:3]
        return float(number) * 1024 ** ["B", "KiB", "MiB", "GiB"].index(unit)

    plain = bytes_of()
    assert bytes_of(training={"per_device_train_batch_size": 16}) > plain
    assert bytes_of(**MODES["projection"]) < bytes_of(**MODES["lora"]) < plain
    large = {"training": {"per_device_train_batch_size": 24}}
    last = merge(MODES["projection"], large)
    inner = merge(last, {"projection": {"layers": [0, 1, -1]}})
    assert bytes_of(**last) < bytes_of(**inner), "the states of these layers are kept"
    less = {"training": {"per_device_train_batch_size": 24, "gradient_checkpointing": True}}
    assert bytes_of(**less) < bytes_of(**large)


def test_the_scoring_in_force_is_the_familys_where_the_recipe_says_nothing(tiny_data: Path, tmp_path: Path) -> None:
    folder = vision_folder(tmp_path / "gme", "qwen2_vl")
    model = ModelSection(name_or_path=str(folder), family="gme", from_config={}, min_pixels=4 * 28 * 28)
    for scoring, expected in (({}, "text"), ({"query_tokens": "all"}, "all")):
        plan = make_plan(tiny_recipe(tiny_data, tmp_path, scoring=scoring).model_copy(update={"model": model}))
        assert plan.problems == []
        assert f"query_tokens {expected}" in plan.lines["scoring"]


def test_every_problem_is_found_at_once(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tiny_data,
        tmp_path,
        data={"train": {"max_samples": 3}, "evaluation": {"path": str(tmp_path / "nothing.jsonl")}},
        scoring={"layer": 7},
    )
    plan = make_plan(recipe)
    assert [problem.split(":")[0] for problem in plan.problems] == [
        "model",
        "data.evaluation",
        "training.per_device_train_batch_size",
    ]
    assert "scoring.layer 7 is out of range" in plan.problems[0]
    assert "no such file" in plan.problems[1]
    assert "4 x 1 process(es) = 4 is more than the 3 training rows" in plan.problems[2]


def test_mistakes_that_the_models_configuration_shows_are_told_with_the_others(tiny_data: Path, tmp_path: Path) -> None:
    wrong = {"full": None, "scoring": {"layer": -9}, "projection": {"dim": WIDTH + 1, "layers": [1, 7]}}
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, **{**wrong, "scoring": {}}))
    told = [
        f"projection.dim {WIDTH + 1} must lie between 1 and the backbone's hidden size {WIDTH}",
        "projection.layers 7 is out of range: the model has hidden states -3 .. 2",
    ]
    assert [line for line in plan.problems if "projection" in line] == [f"model: {line}" for line in told[::-1]]
    with pytest.raises(RecipeError) as caught:
        tiny_recipe(tiny_data, tmp_path, **wrong, training={"learning_rat": 1})
    for words in (*told, "scoring.layer -9 is out of range", "training.learning_rat: unknown key"):
        assert words in str(caught.value)


def test_rows_of_a_kind_that_the_model_does_not_read_are_named(tiny_data: Path, tmp_path: Path) -> None:
    """The last row alone: a sample of the rows would not show it, and a run would stop hours after it began."""
    rows = tmp_path / "rows.jsonl"
    lines = [{"query": "the cat", "positive": f"a dog sat on page {place}"} for place in range(40)]
    lines.append({"query": "the cat", "positive": {"image": str(next(tiny_data.glob("*.png")))}})
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    start = {"name_or_path": str(encoder_folder(tmp_path / "bert")), "from_config": None}
    data = {"train": {"path": str(rows), "image_root": str(tiny_data)}, "evaluation": None}
    plan = make_plan(tiny_recipe(tiny_data, tmp_path / "run", model=start, data=data))
    problem = next(problem for problem in plan.problems if problem.startswith("data.train: 1 of 41 rows"))
    assert "row 40: holds image (column 'positive'), but the model reads only text" in problem


def test_rows_to_report_are_counted_by_themselves(tiny_data: Path, tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, data={"test": {"path": str(tiny_data / "train.jsonl")}}))
    assert plan.lines["held out"] == "10 queries against 10 documents"
    assert plan.lines["test rows"] == "24 rows"
    assert plan.lines["held out to report"] == "24 queries against 42 documents"  # some pages come twice
    broken = make_plan(tiny_recipe(tiny_data, tmp_path, data={"test": {"path": "nowhere.jsonl"}}))
    assert [problem.split(":")[0] for problem in broken.problems] == ["data.test"]


@pytest.mark.parametrize(("change", "count"), [({}, 24), ({"positive": "train-0.png"}, 1)])
def test_different_documents_are_counted_and_one_is_not_enough(
    tiny_data: Path, tmp_path: Path, change: dict[str, str], count: int
) -> None:
    rows = [{**json.loads(line), **change} for line in (tiny_data / "train.jsonl").read_text().splitlines()]
    write_rows(tmp_path / "rows.jsonl", rows)
    data = {"train": {"path": str(tmp_path / "rows.jsonl"), "image_root": str(tiny_data)}}
    plan = make_plan(tiny_recipe(tiny_data, tmp_path / "run", data=data))
    assert plan.lines["documents"] == f"{counted(count, 'different one')} in 24 rows"
    message = "data.train: all 24 rows have the same document, so no query has another one to be told from"
    assert [problem for problem in plan.problems if message in problem] == plan.problems
    assert bool(plan.problems) == (count == 1)


@pytest.mark.parametrize("queries", [1, 2])
@pytest.mark.parametrize("negatives", [0, 1])
def test_rows_that_all_ask_the_same_have_no_negative(
    tiny_data: Path, tmp_path: Path, queries: int, negatives: int
) -> None:
    rows = [json.loads(line) for line in (tiny_data / "train.jsonl").read_text().splitlines()]
    asked = [
        {"query": f"page {place % queries}", "positive": row["positive"], "negative": rows[place - 1]["positive"]}
        for place, row in enumerate(rows)
    ]
    write_rows(tmp_path / "rows.jsonl", asked)
    data = {
        "train": {"path": str(tmp_path / "rows.jsonl"), "image_root": str(tiny_data)},
        "negatives_per_query": negatives,
    }
    problems = make_plan(tiny_recipe(tiny_data, tmp_path / "run", data=data)).problems
    message = (
        "data.train: all 24 rows ask the same, which every document answers, so no query has another one to be told "
        "from its answer; add rows with other queries, or explicit negatives with data.negatives_per_query"
    )
    assert problems == ([message] if (queries, negatives) == (1, 0) else [])


def test_held_out_rows_that_contradict_each_other(tiny_data: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny_data, tmp_path / "data")
    rows = [json.loads(line) for line in (data / "held_out.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "document_id": "the same"}) + "\n" for row in rows]
    (data / "held_out.jsonl").write_text("".join(lines))
    (problem,) = make_plan(tiny_recipe(data, tmp_path)).problems
    assert problem.startswith("data.evaluation: 10 of 10 rows cannot be used")
    assert "row 0: the document id 'the same' is given to another document in" in problem
    assert problem.endswith("(and 9 more like it: rows 1, 2, 3, 4, 5, 6, 7, 8, 9)")


def test_candidates_are_different_documents(tiny_data: Path, tmp_path: Path) -> None:
    """Rows about few pages do not give the candidates that the batch has room for."""
    data = shutil.copytree(tiny_data, tmp_path / "data")
    rows = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    few = [{"query": row["query"], "positive": rows[place % 3]["positive"]} for place, row in enumerate(rows)]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in few))
    plan = make_plan(tiny_recipe(data, tmp_path))
    assert plan.lines["candidates per query"] == (
        "3 documents (1 positive), less those known to be relevant; a batch has room for 4, but the rows bring only 3 "
        "different documents"
    )
    (data / "train.jsonl").write_text("".join(json.dumps({**row, "positive": "train-0.png"}) + "\n" for row in few))
    plan = make_plan(tiny_recipe(data, tmp_path))
    assert plan.lines["documents"] == "1 different one in 24 rows"
    assert plan.lines["candidates per query"].startswith("1 document (1 positive), less")
    assert plan.lines["candidates per query"].endswith("the rows bring only 1 different document")
    (problem,) = plan.problems
    assert problem.startswith("data.train: all 24 rows have the same document, so no query has another one")


@pytest.mark.parametrize(("pages", "kind"), [(1, "source"), (3, "source"), (1, "task"), (3, "task")])
def test_rows_that_never_meet_others_need_documents_of_their_own(
    tiny_data: Path, tmp_path: Path, pages: int, kind: str
) -> None:
    """Rows of one source, and of one task, meet in a batch; what others bring is no candidate of theirs."""
    rows = [json.loads(line) for line in (tiny_data / "train.jsonl").read_text().splitlines()]
    few = [
        {"query": f"{row['query']} again", "positive": rows[place % pages]["positive"]}
        for place, row in enumerate(rows)
    ]
    files = [tmp_path / "many.jsonl", tmp_path / "few.jsonl"]
    write_rows(files[0], rows + [{**row, "task": "few"} for row in few] if kind == "task" else rows)
    write_rows(files[1], few)
    sources = [{"path": str(file), "image_root": str(tiny_data)} for file in files]
    data = {"train": sources[0] if kind == "task" else sources}
    plan = make_plan(tiny_recipe(tiny_data, tmp_path / "run", data=data))
    named = "task few" if kind == "task" else str(files[1])
    if pages == 1:
        (problem,) = plan.problems
        assert problem.startswith(f"data.train: all rows of {named} have the same document, so no query has another")
    else:
        assert plan.lines["candidates per query"].endswith(
            f"a batch has room for 4, but the rows of {named} bring only 3 different documents"
        )


def test_few_steps_are_said_with_what_to_do(tiny_data: Path, tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, training={"max_steps": -1, "num_train_epochs": 1}))
    assert plan.lines["few steps"] == (
        "24 rows give 6 optimiser steps, too few to learn much from: add rows (smart-train make-pairs makes them from "
        "PDF files), lower training.per_device_train_batch_size (4), or raise training.num_train_epochs"
    )
    assert "few steps" not in make_plan(tiny_recipe(tiny_data, tmp_path, training={"max_steps": 20})).lines


def test_inputs_and_columns_are_counted(tiny_data: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny_data, tmp_path / "data")
    rows = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    (data / "train.jsonl").write_text("".join(json.dumps({**row, "width": 64}) + "\n" for row in rows))
    plan = make_plan(tiny_recipe(data, tmp_path))
    assert plan.lines["train inputs"] == "queries: 24 text; positives: 24 image; negatives: 24 image"
    assert plan.lines["train columns"] == "query, positive, negative_0; ignored: width"
    assert plan.lines["evaluation inputs"] == "queries: 10 text; positives: 10 image"


@pytest.mark.parametrize("name", ["./nowhere", "some/where/else", "/nowhere"])
def test_a_folder_that_is_not_there_is_a_problem(tiny_data: Path, tmp_path: Path, name: str) -> None:
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, model={"name_or_path": name}))
    assert [problem.split(" (")[0] for problem in plan.problems] == [f"model.name_or_path: {name}: no such folder"]


def test_what_only_the_hub_knows_is_left_unchecked(tiny_data: Path, tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, model={"name_or_path": "Qwen/Qwen3-VL-Embedding-2B"}))
    assert plan.problems == []
    (reason,) = plan.unchecked
    assert reason.startswith("model.name_or_path: Qwen/Qwen3-VL-Embedding-2B: not a local folder")
    assert plan.rows()[-1] == ("not checked", reason)
    assert "optimiser steps" in plan.lines and "parameters" not in plan.lines
    held_out = {"path": str(tiny_data), "split": "held_out", "corpus": "owner/pages"}
    rows = {"train": {"path": "owner/rows", "split": "train"}, "evaluation": held_out}
    plan = make_plan(tiny_recipe(tiny_data, tmp_path, data=rows))
    assert plan.problems == []
    assert [reason.split(": no such")[0] for reason in plan.unchecked] == [
        "data.train: owner/rows",
        "data.evaluation.corpus: owner/pages",
    ]


def test_rows_that_a_script_has_yet_to_make_are_left_unchecked(tiny_data: Path, tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text("")
    prepare = {"script": str(script), "output": str(tmp_path / "made")}
    plan = make_plan(tiny_recipe(tmp_path / "made", tmp_path / "run", data={"prepare": prepare}))
    assert plan.problems == []
    assert plan.unchecked == [f"data rows: {tmp_path / 'made'} is made by {script} when the run starts"]
    assert "optimiser steps" not in plan.lines and "parameters" in plan.lines
    recipe = tiny_recipe(tmp_path / "made", tmp_path / "run", data={"prepare": prepare})
    model = ModelSection(name_or_path=str(tmp_path / "made" / "model"))  # as recipes/text_minilm.yaml has it
    plan = make_plan(recipe.model_copy(update={"model": model}))
    assert (
        plan.problems == [] and f"model: {model.name_or_path} is made by {script} when the run starts" in plan.unchecked
    )


def test_processes_without_a_number(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)

    def meant(use_cpu: bool = False, **distributed: Any) -> int:
        return processes(tiny_recipe(tiny_data, tmp_path, training={"use_cpu": use_cpu}, distributed=distributed))

    assert meant() == 4 and meant(use_cpu=True) == 1 and meant(strategy="none") == 1
    assert meant(num_processes=3) == 3 and meant(use_cpu=True, num_processes=2) == 2
    mine = tmp_path / "mine.yaml"
    mine.write_text("num_processes: 6\n")
    assert meant(accelerate_config=str(mine)) == 6 and meant(accelerate_config=str(mine), num_processes=2) == 2
    monkeypatch.setenv("NNODES", "3")
    assert meant() == 12 and meant(use_cpu=True) == 3 and meant(num_processes=6) == 6 and meant(strategy="none") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"bf16": True}}, "training.bf16"),
        ({"model": {"dtype": "bfloat16"}}, "model.dtype"),
        ({"model": {"dtype": "bfloat16"}, "training": {"bf16": True}}, "training.bf16 and model.dtype"),
    ],
)
def test_bfloat16_on_a_processor_that_is_slow_at_it_is_said_with_the_factor(
    changes: dict[str, Any], said: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path, **changes)
    monkeypatch.setattr("smart_train.run.plan.bfloat16_over_float32", lambda: 8.34)
    told = make_plan(recipe).lines["precision"]
    assert told.startswith(f"{said}: bfloat16 is slower than fp32 on this processor (a layer's step takes 8.3 times")
    monkeypatch.setattr("smart_train.run.plan.bfloat16_over_float32", lambda: 0.4)
    assert "precision" not in make_plan(recipe).lines


def test_float16_on_a_cpu_is_said_to_have_no_effect(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path, training={"fp16": True, "use_cpu": True})
    assert make_plan(recipe).lines["precision"].startswith("training.fp16 has no effect on a CPU")
    monkeypatch.setattr("smart_train.run.plan._on_cpu", lambda _: False)
    assert "precision" not in make_plan(recipe).lines


def test_nothing_is_timed_for_a_run_in_fp32(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise AssertionError("timed")

    monkeypatch.setattr("smart_train.run.plan.bfloat16_over_float32", fail)
    assert "precision" not in make_plan(tiny_recipe(tiny_data, tmp_path)).lines


def test_the_factor_is_that_of_a_layer_in_both_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def step(states: torch.Tensor, *_: torch.Tensor) -> Any:
        def run() -> None:
            seen.append(states.dtype)
            clock[0] += 3.0 if states.dtype == torch.bfloat16 else 2.0

        return run

    clock = [0.0]
    monkeypatch.setattr(bfloat16_speed, "_step", step)
    monkeypatch.setattr(bfloat16_speed.time, "perf_counter", lambda: clock[0])
    assert bfloat16_speed.bfloat16_over_float32() == 1.5
    assert seen.count(torch.bfloat16) == seen.count(torch.float32) == bfloat16_speed.ROUNDS + 1


def without_evaluation(rows: Path, output: Path, **sections: Any) -> Recipe:
    """The tiny recipe on the rows of a file, with nothing held out."""
    values = recipe_values(rows.parent, output, **sections)
    values["data"] = {**values["data"], "train": {"path": str(rows)}}
    del values["data"]["evaluation"]
    values["training"] = {**values["training"], "eval_strategy": "no"}
    return parse_recipe(merge(values, {"evaluation": {"before": False, "after": False}}))


def test_a_page_too_large_for_the_model_is_named_whatever_row_it_is_in(tmp_path: Path) -> None:
    for name, side in (("small", 64), ("large", 640)):
        Image.new("RGB", (side, side), (90, side % 256, 40)).save(tmp_path / f"{name}.png")
    rows = [{"query": f"query {n}", "positive": {"image": "small.png", "text": f"page {n}"}} for n in range(24)]
    rows[18]["positive"] = "large.png"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    recipe = without_evaluation(file, tmp_path / "run", model={"max_length": 100})
    said = r"rows.jsonl, row 18: the model cannot take the positive \(column 'positive'\): an input needs \d+ tokens"
    (problem,) = make_plan(recipe).problems
    assert re.search(said, problem) and "lower model.max_pixels" in problem
    with pytest.raises(DataError, match=said):
        train(recipe)
    assert not (tmp_path / "run").exists()
    skipping = without_evaluation(file, tmp_path / "run", model={"max_length": 100}, data={"on_error": "skip"})
    plan = make_plan(skipping)
    assert plan.problems == [] and plan.lines["train rows"].startswith("23 of 24 rows, 1 skipped")


def test_an_instruction_of_a_row_too_long_for_the_model_is_named(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "encoder")
    rows = [{"query": f"q{n}", "positive": f"page {n}", "instruction": "Find."} for n in range(40)]
    rows[20]["instruction"] = "find " * 3000
    file = write_rows(tmp_path / "rows.jsonl", rows)
    recipe = without_evaluation(file, tmp_path / "run", model={"name_or_path": str(folder), "from_config": None})
    (problem,) = make_plan(recipe).problems
    assert "rows.jsonl, row 20: the model cannot take the query (column 'query') (the row's own instruction" in problem
