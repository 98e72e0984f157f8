"""What an export scores, what other libraries read of it, and what it refuses."""

import json
import shutil

import pytest
import torch
from peft import LoraModel
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForImageTextToText

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ExportError
from smart_train.export import Probe, export_model
from smart_train.export.parity_record import check_record, write_record
from smart_train.models import PromptConfig
from smart_train.models.saving import weights_dtype
from smart_train.types import Example, ModelInput
from tests.export.conftest import KINDS, adapt, project
from tests.models.conftest import make_model

pytestmark = pytest.mark.usefixtures("without_peers")


def scores(model, examples):
    queries, documents = Probe.make(model.family.modalities, examples).encode(model)
    return model.similarity(queries, documents)


def record(folder):
    return json.loads((folder / "parity.json").read_text())


def test_the_pages_of_a_probe_are_limited():
    """Each is encoded several times on the CPU, at 10 TFLOP a page of a 2B model."""

    def added(*documents):
        pairs = [Example(ModelInput("q"), (document,), "q", ("d",), "rows", 0) for document in documents]
        return Probe.make(("text", "image"), pairs).documents[len(Probe.make(("text", "image")).documents) :]

    page, book, video = ModelInput(images=("a.png",)), ModelInput(images=("a.png",) * 15), ModelInput(video="a.mp4")
    assert added(*[page] * 100) == (page,) * 16
    assert added(*[ModelInput("text")] * 100) == (ModelInput("text"),) * 16
    assert added(book, book, page, page) == (book, page)
    assert added(video, page) == added(video, video) == (video,)


@pytest.mark.parametrize("kind", KINDS)
def test_export_scores_like_the_trained_model_without_its_base(kind, train, base, examples, tmp_path):
    trained = train(kind)
    expected = scores(SmartModel.from_pretrained(trained), examples)
    report = export_model(trained, tmp_path / "export", examples=examples)
    assert report.parity.largest < 1e-5  # far below the gate's 1e-4
    moved = shutil.move(tmp_path / "export", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "run")
    actual = scores(SmartModel.from_pretrained(moved), examples)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    untrained = scores(SmartModel.from_pretrained(base), examples)
    assert (actual - untrained).abs().max() > 1e-2, "training must show, or the comparison proves nothing"


@pytest.mark.parametrize("kind", ["full", "dora", "projection"])
@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForImageTextToText])
def test_plain_transformers_finds_every_key_and_no_other(kind, auto_class, train, tmp_path):
    export_model(train(kind), tmp_path / "export", dtype="bfloat16")
    model, report = auto_class.from_pretrained(tmp_path / "export", output_loading_info=True)
    assert not any(report.values())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert type(model).__name__ == {AutoModel: "Qwen3VLModel"}.get(auto_class, "Qwen3VLForConditionalGeneration")


def test_scoring_prompts_and_pixel_limits_travel(base, tmp_path):
    scoring = ScoringConfig(pooled_weight=0.5, layer=1, query_tokens="text")
    prompts = PromptConfig(query_instruction="Find it.", min_pixels=2048, max_pixels=9216)
    make_model(scoring=scoring, prompts=prompts).save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export")
    loaded = SmartModel.from_pretrained(tmp_path / "export")
    assert loaded.scoring == scoring and loaded.family.prompts == prompts
    size = json.loads((tmp_path / "export" / "preprocessor_config.json").read_text())["size"]
    assert size == {"shortest_edge": 2048, "longest_edge": 9216}


def test_pixel_limits_of_the_family_stand_in_the_processor_that_others_load(train, tmp_path):
    """Without them another library would resize a page differently and see other tokens."""
    export_model(train("full"), tmp_path / "export")
    size = json.loads((tmp_path / "export" / "preprocessor_config.json").read_text())["size"]
    assert size == {"shortest_edge": 4 * 32 * 32, "longest_edge": 1800 * 32 * 32}


def test_an_index_tells_weights_from_what_else_is_there(train, tmp_path):
    """A server that finds none loads every safetensors file, the golden vectors and the projection among them."""
    export_model(train("projection"), tmp_path / "export")
    index = json.loads((tmp_path / "export" / "model.safetensors.index.json").read_text())
    weights = load_file(tmp_path / "export" / "model.safetensors")
    assert index["weight_map"] == dict.fromkeys(weights, "model.safetensors")
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in weights.values())
    SmartModel.from_pretrained(tmp_path / "export").save_pretrained(tmp_path / "again")
    assert not (tmp_path / "again" / "model.safetensors.index.json").exists()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_what_the_cast_changes_is_measured_and_written_down(dtype, train, tmp_path):
    report = export_model(train("lora"), tmp_path / "export", dtype=dtype)
    measured = record(tmp_path / "export")
    assert measured["float32"] == report.parity.to_dict() and report.parity.largest < 1e-5
    assert 1e-5 < max(measured[dtype].values()) < 0.2
    weights = load_file(tmp_path / "export" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {getattr(torch, dtype)}
    config = json.loads((tmp_path / "export" / "config.json").read_text())
    assert {config["dtype"], config["text_config"]["dtype"], config["vision_config"]["dtype"]} == {dtype}


@pytest.mark.parametrize("make", [adapt, project])
def test_weights_are_stored_as_the_base_checkpoint_stores_them(make, half_base, tmp_path):
    make(half_base).save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    assert report.dtype == weights_dtype(tmp_path / "export") == "bfloat16"
    assert f"bfloat16: {report.rounding.effect}" in str(report)
    assert report.rounding.same_best <= report.rounding.queries == 5
    # The merge itself was compared in float32, before anything was rounded.
    assert report.parity.largest < 1e-5
    assert (report.rounding.largest > 1e-5) == (make is adapt)  # a frozen base is rounded already
    whole = export_model(tmp_path / "trained", tmp_path / "whole", dtype="float32")
    assert (whole.dtype, whole.rounding) == ("float32", None)


@pytest.mark.parametrize(
    ("shards", "expected"),
    [
        ([{"a": torch.zeros(3)}, {"b": torch.zeros(4, dtype=torch.bfloat16)}], "bfloat16"),
        ([{"a": torch.zeros(3, dtype=torch.float16), "index": torch.zeros(2, dtype=torch.int64)}], "float16"),
        ([{"a": torch.zeros(3, dtype=torch.float64)}], "float32"),
        ([], "float32"),
    ],
)
def test_the_dtype_of_weights_is_that_of_most_numbers_in_every_shard(shards, expected, tmp_path):
    for index, shard in enumerate(shards):
        save_file(shard, tmp_path / f"model-{index}.safetensors")
    save_file({"a": torch.zeros(99, dtype=torch.float16)}, tmp_path / "golden.safetensors")  # no weights
    assert weights_dtype(tmp_path) == expected


def test_one_copy_of_the_weights_is_in_memory_at_a_time(train, tmp_path, monkeypatch):
    """Each model that the export loads finds the ones before it emptied."""
    alive, most = [], []
    load = SmartModel.from_pretrained.__func__

    def spy(cls, *args, **kwargs):
        most.append(sum(value.numel() for model in alive for value in model.backbone.parameters()))
        alive.append(load(cls, *args, **kwargs))
        return alive[-1]

    trained = train("lora")
    monkeypatch.setattr(SmartModel, "from_pretrained", classmethod(spy))
    export_model(trained, tmp_path / "export", dtype="bfloat16")
    assert len(most) == 4 and not any(most)  # as trained, merged, rounded, and once more by the check


def test_weights_beyond_float16_are_refused(base, tmp_path):
    model = SmartModel.from_pretrained(base)
    with torch.no_grad():
        model.backbone.language_model.layers[0].mlp.up_proj.weight[0, 0] = 1e6
    model.save_pretrained(tmp_path / "trained")
    with pytest.raises(ExportError, match="dtype 'float16': some weights are outside its range"):
        export_model(tmp_path / "trained", tmp_path / "export", dtype="float16")
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]


def test_unknown_dtype_is_refused(base, tmp_path):
    with pytest.raises(ExportError, match="dtype 'int4': choose float32, bfloat16, float16"):
        export_model(base, tmp_path / "export", dtype="int4")


@pytest.fixture
def untied(tmp_path):
    """A checkpoint whose generation head is its own, as Qwen3-VL 8B's is."""
    make_model(overrides={"tie_word_embeddings": False, "text_config": {"tie_word_embeddings": False}}).save_pretrained(
        tmp_path / "untied"
    )
    weights = tmp_path / "untied" / "model.safetensors"
    head = torch.randn(2048, 96)
    save_file({**load_file(weights), "lm_head.weight": head}, weights, {"format": "pt"})
    return tmp_path / "untied", head


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_untied_generation_head_is_carried_over(kind, untied, tmp_path):
    folder, head = untied
    model = SmartModel.from_pretrained(folder) if kind == "full" else adapt(folder)
    model.save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export", dtype="bfloat16")
    loaded, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "export", output_loading_info=True)
    assert not any(report.values())
    torch.testing.assert_close(loaded.lm_head.weight.data, head.bfloat16())


def test_saving_over_its_own_folder_keeps_the_head(untied):
    folder, head = untied
    SmartModel.from_pretrained(folder).save_pretrained(folder)
    torch.testing.assert_close(load_file(folder / "model.safetensors")["lm_head.weight"], head)


# What is refused ------------------------------------------------------------------------------------------------


def test_a_merge_that_changes_scores_is_refused_and_leaves_nothing(train, tmp_path, monkeypatch):
    """One wrong weight in the merged model, as a merge that drops a module would leave."""
    merge = LoraModel.merge_and_unload

    def corrupt(self, **kwargs):
        model = merge(self, **kwargs)
        with torch.no_grad():
            model.language_model.layers[1].mlp.down_proj.weight.mul_(1.01)
        return model

    trained = train("lora")
    monkeypatch.setattr(LoraModel, "merge_and_unload", corrupt)
    with pytest.raises(ExportError, match=r"does not score like the trained one: largest difference .* allowed 1e-04"):
        export_model(trained, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_trained_model_with_nan_is_refused(base, tmp_path):
    model = adapt(base)
    with torch.no_grad():
        next(value for name, value in model.named_parameters() if "lora_B" in name).fill_(float("nan"))
    model.save_pretrained(tmp_path / "trained")
    with pytest.raises(ExportError, match="the trained model gives NaN or infinite embeddings"):
        export_model(tmp_path / "trained", tmp_path / "export")


def test_a_merge_that_overflows_is_refused(train, tmp_path, monkeypatch):
    trained = train("lora")

    def overflow(self, adapter):
        return torch.full_like(self.weight, float("inf"))

    monkeypatch.setattr("peft.tuners.lora.layer.Linear.get_delta_weight", overflow)
    with pytest.raises(ExportError, match="the adapter cannot be merged .*NaN"):
        export_model(trained, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_refused_export_leaves_the_earlier_one_as_it_was(train, tmp_path, monkeypatch):
    trained = train("full")
    export_model(trained, tmp_path / "export")
    before = record(tmp_path / "export")
    monkeypatch.setattr("smart_train.export.exporter.TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="does not score"):
        export_model(trained, tmp_path / "export", overwrite=True)
    assert record(tmp_path / "export") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "run"]


def test_existing_output_is_replaced_only_when_asked(train, tmp_path):
    trained = train("full")
    export_model(trained, tmp_path / "export")
    (tmp_path / "export" / "mark").touch()
    with pytest.raises(ExportError, match="exists already; choose another output or pass --overwrite"):
        export_model(trained, tmp_path / "export")
    export_model(trained, tmp_path / "export", overwrite=True)
    assert not (tmp_path / "export" / "mark").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "run"]


def test_a_folder_that_is_no_export_is_never_replaced(base, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(ExportError, match="holds files that are not an export of smart_train"):
        export_model(base, tmp_path / "thesis", overwrite=True)
    with pytest.raises(ExportError, match="is a file; an export is a folder"):
        export_model(base, tmp_path / "thesis" / "chapter1.tex", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"


def test_the_base_of_an_adapter_is_not_replaced_by_its_export(base, tmp_path):
    export_model(base, tmp_path / "first")
    adapt(tmp_path / "first").save_pretrained(tmp_path / "adapter")
    with pytest.raises(ExportError, match="uses the weights in this folder"):
        export_model(tmp_path / "adapter", tmp_path / "first", overwrite=True)
    with pytest.raises(ExportError, match="uses the weights in this folder"):
        export_model(tmp_path / "first", tmp_path / "first", overwrite=True)


# The record -----------------------------------------------------------------------------------------------------


def test_the_record_holds_for_the_verified_files_alone(train, tmp_path):
    export_model(train("projection"), tmp_path / "export")
    proved = set(check_record(tmp_path / "export")["sha256"])
    assert {"config.json", "model.safetensors", "projection.safetensors", "golden.safetensors"} < proved
    assert {"smart_config.json", "tokenizer.json", "chat_template.jinja", "modules.json"} < proved
    assert any(name.endswith("_Dense/model.safetensors") for name in proved)
    assert not {"README.md", "parity.json"} & proved
    (tmp_path / "export" / "README.md").write_text("my own words")  # a card may be edited
    check_record(tmp_path / "export")
    (tmp_path / "export" / "extra.safetensors").write_bytes(b"")
    with pytest.raises(ExportError, match="extra.safetensors changed since the export was verified"):
        check_record(tmp_path / "export")


def test_code_of_its_own_is_on_record(train, tmp_path):
    export_model(train("full"), tmp_path / "export")
    code = tmp_path / "export" / "modeling.py"
    code.write_text("answer = 1")
    check_record(tmp_path / "export")  # a record of version 0.1.0 holds no code, whatever lies there
    record = json.loads((tmp_path / "export" / "parity.json").read_text())
    write_record(tmp_path / "export", {key: value for key, value in record.items() if key != "sha256"})
    check_record(tmp_path / "export")
    code.write_text("answer = 2")
    with pytest.raises(ExportError, match="modeling.py changed since the export was verified"):
        check_record(tmp_path / "export")


def test_a_model_trained_from_an_export_does_not_inherit_its_record(base, tmp_path):
    export_model(base, tmp_path / "export")
    SmartModel.from_pretrained(tmp_path / "export").save_pretrained(tmp_path / "trained")
    with pytest.raises(ExportError, match="was never verified"):
        check_record(tmp_path / "trained")


def test_a_damaged_record_says_so(tmp_path):
    (tmp_path / "parity.json").write_text("{")
    with pytest.raises(ExportError, match="parity.json: unreadable"):
        check_record(tmp_path)
