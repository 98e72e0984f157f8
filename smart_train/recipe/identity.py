"""Which keys of a recipe define its run, so that a change of the others does not forbid a resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Nothing in these changes the loss, its gradients or the choice of the best checkpoint.
_NOT_THE_RUN = ("export", "hub", "distributed", "gradient_caching", "tune")
_NOT_THE_MATHEMATICS = {
    # What all processes take together is; a run's folder keeps that.
    "per_device_train_batch_size",
    "output_dir",
    "run_name",
    "project",
    "disable_tqdm",
    "skip_memory_metrics",
    "restore_callback_states_from_checkpoint",
    "per_device_eval_batch_size",
}
_NOT_THE_MATHEMATICS_PREFIXES = (
    "logging_",
    "log_",
    "report_",
    "save_",
    "hub_",
    "push_",
    "dataloader_",
    "trackio_",
    "ddp_",
    "activation_checkpointing",
    "gradient_checkpointing",
)
_DATALOADER_MATHEMATICS = "dataloader_drop_last"
# Keys that came after 0.1.0, with the value that leaves a run as it was. With it they are not in the fingerprint, which
# is all that is known of a run whose recipe is lost.
_ADDED: dict[str, dict[str, Any]] = {
    "data": {"group_by_length": False},
    "lora": {"init_from": None, "modules_to_save": None, "trained_tokens": None},
    "projection": {"state_dtype": "auto"},
    "objective": {"self_distillation": None, "learn_weights": False, "products": "exact", "hardness": 0.0},
    "scoring": {"width": None, "pool_factor": None, "stored_as": None},
}
_ADDED_SECTIONS = ("averaging",)  # the same, of whole sections, which are null where they leave a run as it was
_ADDED_TO_SOURCES = {"pages_as": None, "ocr": None}  # the same, of each source in `data`
_ADDED_TO_DISTILLATION = {"margin_weight": None}  # the same, of `objective.distillation`


def of_the_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a recipe's plain values those that define the run."""
    defining = {name: value for name, value in values.items() if name not in _NOT_THE_RUN}
    for section, defines in (
        ("data", lambda name: name != "cache_dir"),
        ("projection", lambda name: name != "state_cache"),
        ("training", _is_mathematics),
        ("evaluation", lambda name: name not in ("batch_size", "num_workers", "products")),
    ):
        given = defining.get(section)
        if isinstance(given, Mapping):
            defining[section] = {name: value for name, value in given.items() if defines(name)}
    for section in _ADDED_SECTIONS:
        if defining.get(section) is None:
            defining.pop(section, None)
    for section, added in _ADDED.items():
        if section in defining:
            defining[section] = _without(defining[section], added)
    objective = defining.get("objective")
    if isinstance(objective, Mapping) and "distillation" in objective:
        part = _without(objective["distillation"], _ADDED_TO_DISTILLATION)
        defining["objective"] = {**objective, "distillation": part}
    data = defining.get("data")
    if isinstance(data, Mapping):
        defining["data"] = {name: _of_source(value) for name, value in data.items()}
    return defining


def _without(section: Any, added: Mapping[str, Any]) -> Any:
    """A section without the keys of `added` that have the value given there."""
    if not isinstance(section, Mapping):
        return section
    return {name: value for name, value in section.items() if name not in added or value != added[name]}


def _of_source(value: Any) -> Any:
    """A value of `data`: a source, several of them, or anything else."""
    if isinstance(value, list | tuple):
        return [_of_source(item) for item in value]
    return _without(value, _ADDED_TO_SOURCES)


def _is_mathematics(name: str) -> bool:
    if name == _DATALOADER_MATHEMATICS:
        return True
    return name not in _NOT_THE_MATHEMATICS and not name.startswith(_NOT_THE_MATHEMATICS_PREFIXES)
