"""Late interaction on CUDA over widths, lengths of pages and numbers of candidates, and scoring of packed documents.

    python -m benchmarks.gpu_scores                  # CUDA, 40 GB; about 90 seconds
    python -m benchmarks.gpu_scores --scale tiny     # the same road on any CPU; its figures mean nothing

Times are multiples of a bare product of the same states, peak bytes are those above the inputs. The losses are those
of `benchmarks.maxsim`, the scorers those of `benchmarks.scoring`. All run in one process, because CUDA's allocator
tells one peak from the next; on a CPU no peak is measured.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import maxsim as losses
from benchmarks import scoring as scorers
from benchmarks._harness import interleaved, ratio
from benchmarks.gpu_result import Result
from smart_train.scoring import PackedDocuments
from smart_train.scoring.embeddings import Embeddings

OURS, DENSE = "smart_train", "dense"
PEERS = (OURS, "smart_train, normalising", "authors' adapter loss", "authors' LoRA loss (normalising)", losses.KERNELS)
# Widths: a projection, the widest that the kernels' one tile nearly takes, 2B, 8B. Tokens of a page: small and full.
SCALES: dict[str, dict[str, Any]] = {
    "real": {"widths": (128, 320, 2048, 4096), "tokens": (200, 1300), "candidates": (64, 512), "queries": 64},
    "tiny": {"widths": (16,), "tokens": (8,), "candidates": (4,), "queries": 4},
}
WIDE, NARROW = 1536, 256
STEP_BOUND, KERNEL_BOUND = 1.35, 1.0


def case_of(device: str, width: int, tokens: int, candidates: int, queries: int) -> losses.Case:
    return losses.Case(torch.bfloat16, width, queries, candidates, 40, tokens, device)


def peak(run: Callable[[], object], device: str) -> int | None:
    """Bytes above what was held before, or None where no allocator says so."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def measure_losses(result: Result, case: losses.Case, rounds: int) -> dict[str, Any]:
    """Per loss: forward and forward + backward over the product, and the step's peak; and the product's seconds."""
    queries, documents = case.inputs()
    left, right = queries.detach().flatten(0, 1), documents.detach().flatten(0, 1)
    chosen = {name: loss for name, loss in losses.losses(case).items() if name in PEERS} | {DENSE: losses.dense_loss}
    runs: dict[str, Callable[[], object]] = {"product": lambda: torch.mm(left, right.T)}
    peaks = {}
    for name, loss in chosen.items():
        with result.part(f"{name} at {case.documents} x {case.document_tokens} x {case.width}"):
            peaks[name] = peak(partial(losses.step, loss, queries, documents), case.device)
            runs[f"{name}: forward"] = partial(losses.forward, loss, queries, documents)
            runs[f"{name}: step"] = partial(losses.step, loss, queries, documents)
        queries.grad = documents.grad = None
    seconds = interleaved(runs, rounds, case.device, threads=1)
    found: dict[str, Any] = {
        name: {
            "forward": ratio(seconds, f"{name}: forward", "product"),
            "step": ratio(seconds, f"{name}: step", "product"),
            "peak": peaks[name],
        }
        for name in peaks
    }
    return {"product s": sorted(seconds["product"])[rounds // 2], "gradients": case.gradients, "losses": found}


def bounds(case: losses.Case, found: dict[str, Any]) -> list[list[Any]]:
    """What must hold on CUDA: text, measured, bound."""
    rows, ours = [], found["losses"].get(OURS)
    kernels = found["losses"].get(losses.KERNELS)
    if ours is None:
        return rows
    if case.width >= WIDE:
        rows.append(["forward + backward / product", ours["step"], STEP_BOUND])
    if case.width <= NARROW and kernels:
        rows.append([f"forward + backward / {losses.KERNELS}", ours["step"] / kernels["step"], KERNEL_BOUND])
    return rows


def unit_states(lengths: list[int], width: int, device: str) -> Embeddings:
    """Unit states that lean one way, with a few dimensions that are far larger than the others."""
    lean = torch.randn(width, device=device)
    lean[:4] *= 20
    values = torch.randn(sum(lengths), width, device=device).add_(lean, alpha=0.5)
    values /= values.norm(dim=1, keepdim=True)
    offsets = torch.tensor([0, *lengths], device=device).cumsum(0)
    return Embeddings(torch.ones(len(lengths), 1, device=device), values, offsets)


def packed_scores(stored: PackedDocuments, queries: Embeddings) -> Tensor:
    return stored.score_parts(queries, pooled=False).late


def measure_scoring(device: str, width: int, lengths: list[int], rounds: int) -> dict[str, Any]:
    """Per stored dtype: speed over the authors' evaluator, time over the bare product, extra memory, largest error."""
    torch.manual_seed(0)
    documents = unit_states(lengths, width, device)
    queries = unit_states([scorers.QUERY_TOKENS] * scorers.QUERIES, width, device)
    truth = scorers.exact(queries, documents)
    runs: dict[str, Callable[[], Any]] = {"authors": partial(scorers.authors_evaluator, queries, documents)}
    for dtype in scorers.DTYPES:
        runs[dtype] = partial(packed_scores, PackedDocuments(documents, dtype=dtype), queries)
        runs[f"product {dtype}"] = scorers.bare_product(dtype, queries.packed, documents.packed)
    peaks = {name: peak(run, device) for name, run in runs.items()}
    seconds = interleaved(runs, rounds, device, threads=1)
    return {
        dtype: {
            "times the authors' speed": ratio(seconds, "authors", dtype),
            "over product": ratio(seconds, dtype, f"product {dtype}"),
            "peak": peaks[dtype],
            "error": float((runs[dtype]().double() - truth).abs().max()),
        }
        for dtype in scorers.DTYPES
    } | {"authors": {"peak": peaks["authors"]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="real")
    parser.add_argument("--rounds", type=int, default=5, help="how often every variant runs (default 5)")
    parser.add_argument("--json", type=Path, help="write the result there")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scale, result = SCALES[given.scale], Result(given.json)
    # The clock of every round starts after a collection, which would look through all that the libraries hold.
    gc.freeze()
    torch.manual_seed(0)
    found: dict[str, Any] = {}
    lengths = torch.randint(min(scale["tokens"]), max(scale["tokens"]) + 1, (max(scale["candidates"]),)).tolist()
    for width in scale["widths"]:
        with result.part(f"scoring at {width}"):
            found[f"{width}"] = measure_scoring(device, width, lengths, given.rounds)
            result["scoring"] = found
    cases: dict[str, Any] = {}
    for tokens, candidates, width in product(scale["tokens"], scale["candidates"], scale["widths"]):
        case = case_of(device, width, tokens, candidates, scale["queries"])
        with result.part(f"losses at {candidates} x {tokens} x {width}"):
            measured = measure_losses(result, case, given.rounds)
            measured["bounds"] = bounds(case, measured)
            cases[f"{candidates} x {tokens} x {width}"] = measured
            result["losses"] = cases
    print(json.dumps(result.values, indent=1))


if __name__ == "__main__":
    main()
