"""What a whole run leaves in its export."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from smart_train import SmartModel, run
from smart_train.models.saving import weights_dtype
from tests.command import call

pytestmark = pytest.mark.usefixtures("without_peers")


def read(path):
    return json.loads(Path(path).read_text())


def test_the_card_of_a_run_tells_its_results_and_settings(base, recipe):
    run.train(recipe(base))
    card = Path("runs/mine/export/README.md").read_text()
    after = read("runs/mine/evaluation.json")["after"]["hybrid"]
    values = {result.metric_type: result.metric_value for result in ModelCard(card).data.eval_results}
    assert values["hybrid_ndcg@5"] == round(after["ndcg@5"], 4)
    for row in ("LoRA on the language model, rank 4, alpha 8", "joint, temperature 0.05", "1 steps"):
        assert row in card
    assert read("runs/mine/export/parity.json")["probe"]["queries"] == 9  # five fixed, four held out
    for folder in ("runs/mine/export", "runs/mine/final"):
        shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", Path(folder, "README.md").read_text())
        assert shown and all(Path(folder, name).is_file() for name in shown)
    config = read("runs/mine/export/smart_config.json")
    identity = read("runs/mine/run.json")
    assert config["fingerprints"] == {"recipe": identity["fingerprint"], "data": identity["data"]}
    assert "base_model: adapter" not in Path("runs/mine/final/README.md").read_text()


def test_a_run_on_a_quantised_base(base, recipe):
    pytest.importorskip("bitsandbytes")
    run.train(recipe(base, "model.quantization=4bit", "training.optim=paged_adamw_8bit"))
    saved = read("runs/mine/final/smart_config.json")
    assert saved["quantization"] == "4bit" and saved["base"] == str(base)
    record = read("runs/mine/export/parity.json")
    assert max(record["float32"].values()) < 1e-5 < max(record["4bit training"].values()) < 0.3
    assert SmartModel.from_pretrained("runs/mine/export").quantization is None


def test_random_weights_on_a_quantised_base_start_from_what_the_run_keeps(recipe):
    pytest.importorskip("bitsandbytes")
    from tests.models.conftest import TINY

    run.train(recipe(TINY, "model.quantization=4bit", "model.from_config.init_std=0.05"))
    assert Path("runs/mine/base/model.safetensors").is_file()
    assert "| start | random weights |" in Path("runs/mine/export/README.md").read_text()


def test_a_run_stores_weights_as_the_checkpoint_that_it_started_from(half_base, recipe, tmp_path, monkeypatch, capsys):
    start = tmp_path / "start"
    shutil.copytree(half_base, start)
    run.train(recipe(start, "lora=null", "full.freeze_vision=true"))
    assert weights_dtype(Path("runs/mine/final")) == "float32"  # as it was trained
    assert weights_dtype(Path("runs/mine/export")) == "bfloat16"
    assert {"float32", "bfloat16"} < set(read("runs/mine/export/parity.json"))
    assert call(monkeypatch, "export", "runs/mine", "--output", "again") == 0
    assert "bfloat16: moves scores by at most" in capsys.readouterr().out
    assert weights_dtype(Path("again")) == "bfloat16"
    start.rename(tmp_path / "gone")
    assert call(monkeypatch, "export", "runs/mine", "--output", "third") == 2
    assert "unless export.dtype (or --dtype) is set, but it cannot be found" in capsys.readouterr().err
    assert call(monkeypatch, "export", "runs/mine", "--output", "third", "--dtype", "float32") == 0
