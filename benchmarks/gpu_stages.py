"""The stages of `scripts/gpu_check.sh`, in order of worth, at real size and at a size for any CPU."""

from __future__ import annotations

from dataclasses import dataclass

RUNS = ("torch", "transformers", "accelerate", "peft", "datasets", "pydantic", "pytrec-eval-terrier", "smart_train")


@dataclass(frozen=True)
class Stage:
    """One stage: a Python program that takes `--json FILE` and writes there what it found.

    Args:
        arguments: of the interpreter: the module and its own arguments.
        limit: seconds after which it is ended.
        least: seconds below which it is not started.
        gigabytes: memory of the GPU that must be free.
        packages: those without which it cannot start; it skips what needs others by itself.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    limit: int
    least: int
    gigabytes: int = 4
    packages: tuple[str, ...] = RUNS


REAL = (
    Stage("tests", "tests on the GPU", ("-m", "benchmarks.gpu_tests"), 150, 30, packages=(*RUNS, "pytest")),
    Stage("quickstart", "the quickstart on CPU and on CUDA", ("-m", "benchmarks.gpu_quickstart"), 90, 40),
    Stage("scores", "late interaction and scoring", ("-m", "benchmarks.gpu_scores"), 110, 25, 40),
    Stage("step_2b", "a training step of 2B", ("-m", "benchmarks.real_size", "--scale", "2b"), 130, 45, 24),
    Stage("step_8b", "a training step of 8B", ("-m", "benchmarks.real_size", "--scale", "8b"), 120, 60, 60),
    Stage("memory_plan", "memory, planned and measured", ("-m", "benchmarks.gpu_plan"), 70, 30, 8),
    Stage(
        "qlora",
        "a training step of 2B in 4 bits",
        ("-m", "benchmarks.real_size", "--scale", "2b", "--variant", "QLoRA, 4 bits"),
        90,
        45,
        24,
        (*RUNS, "bitsandbytes"),
    ),
    Stage("engines", "ZeRO-2 and FSDP2 on one device", ("-m", "benchmarks.gpu_engines"), 120, 40),
)
_SMALL = {
    "tests": ("-m", "benchmarks.gpu_tests", "--fast"),
    "quickstart": ("-m", "benchmarks.gpu_quickstart", "--scale", "tiny"),
    "scores": ("-m", "benchmarks.gpu_scores", "--scale", "tiny"),
    "step_2b": ("-m", "benchmarks.real_size", "--scale", "tiny"),
    "step_8b": ("-m", "benchmarks.real_size", "--scale", "tiny", "--variant", "projection"),
    "memory_plan": ("-m", "benchmarks.gpu_plan", "--scale", "tiny"),
    "qlora": ("-m", "benchmarks.real_size", "--scale", "tiny", "--variant", "QLoRA, 4 bits"),
    "engines": ("-m", "benchmarks.gpu_engines", "--scale", "tiny"),
}
TINY = tuple(
    Stage(stage.name, stage.title, _SMALL[stage.name], limit=300, least=1, gigabytes=0, packages=stage.packages)
    for stage in REAL
)
