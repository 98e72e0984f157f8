"""Runs that publish their result: at their end, once, and without losing the run when the Hub refuses."""

import errno
import json
import threading
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from transformers import TrainerControl, TrainerState, TrainingArguments

from smart_train import SmartModel, run
from smart_train.errors import ExportError
from smart_train.run.checkpoint_push import THREAD_NAME, PushCheckpoints
from tests.command import call
from tests.models.conftest import TINY

pytestmark = pytest.mark.usefixtures("without_peers", "no_plots")


def state():
    return json.loads(Path("runs/mine/run.json").read_text())["state"]


def wait_for_pushes():
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(300)


@pytest.mark.parametrize("what", ["merged", "adapter"])
def test_a_run_publishes_its_result(what, start, hub, recipe, pages):
    run.train(recipe(start, "hub.repo_id=user/trained", f"hub.what={what}"))
    assert state() == "finished"
    card = hub.files("user/trained")["README.md"].decode()
    data = ModelCard(card).data
    assert data.base_model == "user/start"
    assert data.get("base_model_relation") == ("finetune" if what == "merged" else "adapter")
    assert {result.metric_type for result in data.eval_results} >= {"hybrid_ndcg@5", "pooled_mrr@10"}
    assert "| trained | LoRA on the language model, rank 4, alpha 8 |" in card
    assert ("adapter_config.json" in hub.files("user/trained")) == (what == "adapter")
    ours = SmartModel.from_pretrained("runs/mine/final").encode_document(pages)
    theirs = SmartModel.from_pretrained("user/trained").encode_document(pages)
    untrained = SmartModel.from_pretrained("user/start").encode_document(pages)
    assert (ours.packed - theirs.packed).abs().max() < 1e-5 < (ours.packed - untrained.packed).abs().max() / 10


def test_a_run_publishes_on_the_branch_it_is_told(base, hub, recipe):
    run.train(recipe(base, "hub.repo_id=user/trained", "hub.revision=trial"))
    assert "model.safetensors" in hub.files("user/trained", "trial")
    assert "model.safetensors" not in hub.files("user/trained")


def test_checkpoints_are_published_while_the_run_goes_on(start, hub, recipe, capsys):
    wanted = ("training.save_strategy=steps", "training.save_steps=1", "training.max_steps=2")
    run.train(recipe(start, "hub.repo_id=user/trained", "hub.checkpoints=true", "hub.what=adapter", *wanted))
    wait_for_pushes()
    said = capsys.readouterr().out
    assert "step 1: checkpoint pushed to user/trained, branch checkpoints" in said
    files = hub.files("user/trained", "checkpoints")
    assert {"adapter_model.safetensors", "adapter_config.json", "smart_config.json", "README.md"} <= set(files)
    assert not {name for name in files if "trainer" in name or "manifest" in name or name.endswith(".pt")}


def test_checkpoints_that_cannot_be_published_cost_the_run_nothing(start, hub, recipe, capsys):
    hub.fail("POST", "/commit/checkpoints", 403)  # not one that is tried again after a pause
    mine = recipe(
        start, "hub.repo_id=user/trained", "hub.checkpoints=true", "hub.what=adapter", "training.save_strategy=steps"
    )
    run.train(mine)
    wait_for_pushes()
    assert state() == "finished" and "adapter_model.safetensors" in hub.files("user/trained")
    assert "the checkpoint was not pushed to user/trained: user/trained: " in capsys.readouterr().out
    # Nothing but what the branch began with: the main branch as it was then, which may be the finished run's.
    assert hub.files("user/trained", "checkpoints").items() <= hub.files("user/trained").items()


def test_checkpoints_of_a_base_that_nobody_has_are_refused_before_training(hub, base, recipe):
    with pytest.raises(ExportError, match="hub.checkpoints: their base would be .* not on the Hub; leave it out"):
        run.train(recipe(base, "hub.repo_id=user/new", "hub.checkpoints=true"))


def test_a_refused_push_leaves_a_run_that_pushes_when_started_again(hub, base, recipe, capsys):
    mine = recipe(base, "hub.repo_id=user/trained")
    hub.fail("POST", "/commit/", 503, times=5)
    with pytest.raises(ExportError) as caught:
        run.train(mine)
    assert "the Hub answered 503" in str(caught.value)
    assert "smart-train push runs/mine --repo user/trained" in str(caught.value)
    assert state() == "exported"
    assert "hybrid" in capsys.readouterr().out, "the run's table is shown all the same"
    log = Path("runs/mine/log.jsonl").read_text()
    made = Path("runs/mine/export/model.safetensors").stat().st_mtime_ns
    run.train(recipe(base, "hub.repo_id=user/renamed"))  # where it goes is no part of what the run is
    assert state() == "finished" and "model.safetensors" in hub.files("user/renamed")
    assert Path("runs/mine/log.jsonl").read_text() == log
    assert Path("runs/mine/export/model.safetensors").stat().st_mtime_ns == made


def test_what_could_never_be_pushed_is_refused_before_training(hub, base, recipe, monkeypatch):
    hub.create("user/theirs", {"model.safetensors": b"theirs"})
    with pytest.raises(ExportError, match="holds files that smart_train did not write"):
        run.train(recipe(base, "hub.repo_id=user/theirs"))
    with pytest.raises(ExportError, match="hub.what adapter: its base would be .*which is not on the Hub"):
        run.train(recipe(base, "hub.repo_id=user/new", "hub.what=adapter"))
    with pytest.raises(ExportError, match="hub.what adapter: its base would be"):
        run.train(
            recipe(
                TINY, "hub.repo_id=user/new", "hub.what=adapter", "model.from_config={}", "training.output_dir=runs/b"
            )
        )
    Path("taken").mkdir()
    Path("taken/file").touch()
    with pytest.raises(ExportError, match="taken: holds files that are not an export of smart_train"):
        run.train(recipe(base, "export.output=taken"))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ExportError, match="no token for the Hub"):
        run.train(recipe(base, "hub.repo_id=user/new"))
    assert state() == "training" and not Path("runs/mine/evaluation.before.json").exists()


# The command ----------------------------------------------------------------------------------------------------


def test_push_takes_a_run_an_export_or_an_adapter(hub, start, recipe, monkeypatch, capsys):
    run.train(recipe(start))
    assert call(monkeypatch, "push", "runs/mine", "--repo", "user/merged", "--public") == 0
    assert f"Pushed runs/mine/export to {hub.url}/user/merged" in capsys.readouterr().out
    assert call(monkeypatch, "push", "runs/mine", "--repo", "user/small", "--adapter-only") == 0
    assert call(monkeypatch, "push", "runs/mine/export", "--repo", "user/merged", "--public", "--revision", "v2") == 0
    assert call(monkeypatch, "push", "runs/mine/final", "--repo", "user/small") == 0
    assert not hub.repositories["user/merged"].private and hub.repositories["user/small"].private
    assert "config.json" in hub.files("user/merged", "v2")
    assert "adapter_config.json" in hub.files("user/small")


def test_push_says_what_is_wrong_and_ends_with_2(hub, base, exported, monkeypatch, capsys):
    assert call(monkeypatch, "push", base, "--repo", "user/model") == 2
    assert "was never verified" in capsys.readouterr().err
    assert call(monkeypatch, "push", exported, "--repo", "user/model", "--adapter-only") == 2
    assert "--adapter-only needs a run folder" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_copied_is_told_and_the_run_goes_on(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / "adapter_config.json").write_text("{}")
    monkeypatch.setattr("shutil.copy2", full)
    told = []
    pushing = PushCheckpoints("user/model", private=True, say=told.append)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    pushing.on_save(args, TrainerState(global_step=1), TrainerControl())
    assert pushing.thread is None and len(told) == 1
    assert told[0].startswith("step 1: the checkpoint was not pushed to user/model: ") and "No space left" in told[0]
