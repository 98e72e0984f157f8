"""Keys of other versions and libraries: what to write instead.

The nearest spelling of a name that is gone is often another thing (`save_safetensors` is not `save_steps`).
"""

from __future__ import annotations

_TRACKER = "set the tracker's own environment variables"
_PROCESSES = "set distributed.strategy"
_HUB = "set hub.repo_id"
_COMPILE = "set torch_compile: true"
_AVERAGE = "set averaging.decay, for an average of the weights of all steps (docs/decisions/averages-of-weights.md)"
_SOUP = f"{_AVERAGE}, or mix saved LoRA adapters: smart-train export --adapter RUN/checkpoint-STEP=WEIGHT ..."
_MEMORY = (
    "documents of earlier batches lost in every score wherever they were measured "
    "(docs/decisions/parts-added-to-the-objective.md); set a larger training.per_device_train_batch_size, with "
    "gradient_caching where memory runs out"
)
_NOTHING = "remove it; it has no successor"

# Of the other sections, and those that are not sections.
INSTEAD_ELSEWHERE = {
    **dict.fromkeys(("ema", "swa", "ema_decay"), _AVERAGE),
    **dict.fromkeys(("average_checkpoints", "soup"), _SOUP),
    **{
        f"{section}{name}": _MEMORY
        for section in ("", "objective.")
        for name in ("memory", "memory_size", "memory_batches", "cross_batch_memory", "xbm", "queue_size")
    },
}

# Arguments that transformers removed or renamed, those of sentence-transformers' trainers, and what people abbreviate.
INSTEAD = {
    "adafactor": "set optim: adafactor",
    "average_checkpoints": _SOUP,
    "averaging": _AVERAGE,
    "batch_sampler": "remove it; a document that is known to answer a query is never its negative",
    "batch_size": "set per_device_train_batch_size",
    "bf16_backend": "set bf16: true",
    "cache_dir": "set data.cache_dir for drawn pages",
    "dispatch_batches": "remove it; every process reads its own rows",
    "ema": _AVERAGE,
    "ema_decay": _AVERAGE,
    "epochs": "set num_train_epochs",
    "eval_batch_size": "set evaluation.batch_size",
    "evaluation_strategy": "set eval_strategy",
    "evaluate_during_training": "set evaluation.during",
    "fp16_backend": "set fp16: true",
    "fp16_opt_level": "set fp16: true",
    "fsdp_min_num_params": _PROCESSES,
    "fsdp_transformer_layer_cls_to_wrap": _PROCESSES,
    "group_by_length": "set data.group_by_length",
    "half_precision_backend": "set bf16: true or fp16: true",
    "include_inputs_for_metrics": _NOTHING,
    "include_tokens_per_second": _NOTHING,
    "jit_mode_eval": _COMPILE,
    "learning_rate_mapping": "remove it; all trained weights have one learning_rate",
    "logging_dir": "set the environment variable TENSORBOARD_LOGGING_DIR; a run keeps its own log.jsonl",
    "loss": "set objective.name",
    "lr": "set learning_rate",
    "max_seq_length": "set model.max_length",
    "mini_batch_size": "set gradient_caching.mini_batch_size",
    "mp_parameters": _PROCESSES,
    "multi_dataset_batch_sampler": "set weight in data.train, for each source",
    "no_cuda": "set use_cpu: true",
    "num_epochs": "set num_train_epochs",
    "overwrite_output_dir": "pass --overwrite on the command line",
    "past_index": _NOTHING,
    "per_gpu_eval_batch_size": "set evaluation.batch_size",
    "per_gpu_train_batch_size": "set per_device_train_batch_size",
    "prompts": "set model.query_instruction and model.document_instruction",
    "push_to_hub_model_id": _HUB,
    "push_to_hub_organization": _HUB,
    "push_to_hub_token": "set the environment variable HF_TOKEN",
    "ray_scope": _NOTHING,
    "remine_steps": "run smart-train mine between two runs, and train the recipe that it writes (docs/mining.md)",
    "router_mapping": _NOTHING,
    "save_safetensors": "remove it; weights are always saved as safetensors",
    "scheduler": "set lr_scheduler_type",
    "sharded_ddp": _PROCESSES,
    "split_batches": "remove it; per_device_train_batch_size is what one process takes",
    "swa": _AVERAGE,
    "swa_lr": _AVERAGE,
    "swa_start": _AVERAGE,
    "temperature": "set objective.temperature",
    "torch_dtype": "set model.dtype",
    "torchdynamo": "set torch_compile_backend",
    "tpu_metrics_debug": _NOTHING,
    "tpu_num_cores": "remove it; runs use GPUs or CPUs",
    "train_batch_size": "set per_device_train_batch_size",
    "use_ema": _AVERAGE,
    "use_ipex": _NOTHING,
    "use_legacy_prediction_loop": _NOTHING,
    "use_mps_device": "remove it; the device is found by itself",
    "wandb_project": _TRACKER,
    "warmup_proportion": "set warmup_steps, where less than 1 is a share of all steps",
    "warmup_ratio": "set warmup_steps, where less than 1 is a share of all steps",
    "xpu_backend": "set ddp_backend",
}
