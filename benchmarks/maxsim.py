"""The late-interaction loss: `smart_train.scoring.maxsim` against a bare product and the losses in use elsewhere.

    python -m benchmarks.maxsim            # CPU: about two minutes; CUDA where there is one, at real sizes
    python -m benchmarks.maxsim --write    # the same, into docs/benchmarks.md

Times are multiples of one bare `torch.mm` of the same products, which is the limit for a forward. Where a device does
not multiply the states' dtype, the products are those of fp32. Memory is the peak above the inputs, one process per
variant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks._harness import Report, arguments, importable, interleaved, peak, print_peak, ratio, verdict
from smart_train.scoring import arithmetic, maxsim

TEMPERATURE = 0.05
KERNELS = "late-interaction-kernels"
NARROW = 256  # widest states that the kernels take, and that slow losses are timed on
SAME_IN_FP32 = "smart_train, the same states in fp32"


@dataclass(frozen=True)
class Case:
    dtype: torch.dtype
    width: int
    queries: int = 16
    documents: int = 16
    query_tokens: int = 32
    document_tokens: int = 768
    device: str = "cpu"

    @property
    def gradients(self) -> int:
        rows = self.queries * self.query_tokens + self.documents * self.document_tokens
        return rows * self.width * self.dtype.itemsize

    def inputs(self) -> tuple[Tensor, Tensor]:
        """Unit states [Q, Tq, d], [N, Td, d] that want gradients."""
        torch.manual_seed(0)
        shapes = ((self.queries, self.query_tokens), (self.documents, self.document_tokens))
        made = [torch.randn(*shape, self.width, device=self.device).to(self.dtype) for shape in shapes]
        for states in made:  # in place: a larger peak here would hide what is measured
            states /= states.norm(dim=2, keepdim=True)
            states.requires_grad_()
        return made[0], made[1]


CASES = {
    "cpu": {
        "fp32, d 256": Case(torch.float32, 256),
        "fp32, d 2048": Case(torch.float32, 2048),
        "bf16, d 256": Case(torch.bfloat16, 256),
        "bf16, d 2048": Case(torch.bfloat16, 2048),
    },
    "cuda": {
        f"bf16, d {width}": Case(torch.bfloat16, width, 64, 512, 40, 1000, "cuda") for width in (128, 256, 2048, 4096)
    },
}
LARGE = Case(torch.float32, 64, 64, 256, 32, 1024)  # many candidates: the similarities dwarf the states


def dense_adapter_loss(queries: Tensor, documents: Tensor) -> Tensor:
    """The authors' adapter loss, restated: einsum over eight documents at a time, masked, in the states' dtype."""
    query_mask, document_mask = (states.new_ones(states.shape[:2], dtype=torch.bool) for states in (queries, documents))
    columns = []
    for some, mask in zip(documents.split(8), document_mask.split(8), strict=True):
        similarity = torch.einsum("qtd,ndk->qntk", queries, some.transpose(1, 2).contiguous())
        similarity = similarity.masked_fill(~mask[None, :, None, :], -1e4)
        best = similarity.max(dim=3).values * query_mask[:, None, :].to(queries.dtype)
        columns.append(best.sum(dim=2) / query_mask.sum(dim=1, keepdim=True).to(queries.dtype))
    return _cross_entropy(torch.cat(columns, dim=1))


def dense_lora_loss(queries: Tensor, documents: Tensor) -> Tensor:
    """The authors' LoRA loss, restated: both sides normalised, einsum over blocks of 32 x 32, masked."""
    query_mask, document_mask = (states.new_ones(states.shape[:2], dtype=torch.bool) for states in (queries, documents))
    queries, documents = F.normalize(queries, dim=2), F.normalize(documents, dim=2)
    columns = []
    for some, mask in zip(documents.split(32), document_mask.split(32), strict=True):
        rows = []
        for few in queries.split(32):
            similarity = torch.einsum("qtd,nkd->qntk", few, some)
            similarity = similarity.masked_fill(~mask[None, :, None, :], torch.finfo(similarity.dtype).min)
            rows.append(similarity.max(dim=3).values)
        best = torch.cat(rows).masked_fill(~query_mask[:, None, :], 0.0)
        columns.append(best.sum(dim=2) / query_mask.sum(dim=1, keepdim=True))
    return _cross_entropy(torch.cat(columns, dim=1))


def dense_loss(queries: Tensor, documents: Tensor) -> Tensor:
    """The formula in one expression, with every similarity alive at once."""
    return _cross_entropy(torch.einsum("qtd,nkd->qntk", queries, documents).amax(dim=3).mean(dim=2))


def winners_loss(queries: Tensor, documents: Tensor, **options: object) -> Tensor:
    return _cross_entropy(maxsim(queries, documents, **options))


def sentence_transformers_loss(queries: Tensor, documents: Tensor) -> Tensor:
    from sentence_transformers.util import mean_maxsim

    return _cross_entropy(mean_maxsim(queries, documents, device=queries.device))


def colpali_engine_loss() -> Callable[[Tensor, Tensor], Tensor]:
    from colpali_engine.loss import ColbertLoss

    return ColbertLoss(temperature=TEMPERATURE, normalize_scores=True)  # normalised by length: the mean over tokens


def _cross_entropy(scores: Tensor) -> Tensor:
    return F.cross_entropy(scores / TEMPERATURE, torch.arange(len(scores), device=scores.device))


def losses(case: Case) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Every loss that can be had here, by name."""
    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "smart_train": winners_loss,
        "smart_train, normalising": lambda q, d: winners_loss(q, d, normalize=True),
    }
    if arithmetic(case.dtype, case.device).widened and case.width > NARROW:
        return found  # the others multiply what the device cannot: a hundred times slower, minutes for each call
    found |= {
        "authors' adapter loss": dense_adapter_loss,
        "authors' LoRA loss (normalising)": dense_lora_loss,
    }
    if importable("sentence_transformers"):
        found["sentence-transformers"] = sentence_transformers_loss
    if importable("colpali_engine"):
        found["colpali-engine"] = colpali_engine_loss()
    if importable("late_interaction_kernels") and case.device == "cuda" and case.width <= NARROW:
        found[KERNELS] = lambda q, d: winners_loss(q, d, backend="kernels")
    return found


def step(loss: Callable[[Tensor, Tensor], Tensor], queries: Tensor, documents: Tensor) -> None:
    queries.grad = documents.grad = None
    loss(queries, documents).backward()


def forward(loss: Callable[[Tensor, Tensor], Tensor], queries: Tensor, documents: Tensor) -> None:
    with torch.no_grad():
        loss(queries, documents)


def times(case: Case, rounds: int, threads: int) -> dict[str, tuple[float, float]]:
    """Per loss, its forward and its forward + backward as multiples of the bare product."""
    queries, documents = case.inputs()
    left, right = queries.detach().flatten(0, 1), documents.detach().flatten(0, 1)
    if arithmetic(case.dtype, case.device).widened:
        left, right = left.float(), right.float()
    variants: dict[str, Callable[[], object]] = {"product": lambda: torch.mm(left, right.T)}
    timed = {name: (loss, (queries, documents)) for name, loss in losses(case).items()}
    if case.dtype != torch.float32:
        timed[SAME_IN_FP32] = (winners_loss, replace(case, dtype=torch.float32).inputs())
    for name, (loss, states) in timed.items():
        variants[f"{name}: forward"] = lambda loss=loss, states=states: forward(loss, *states)
        variants[f"{name}: step"] = lambda loss=loss, states=states: step(loss, *states)
    seconds = interleaved(variants, rounds, case.device, threads)
    return {
        name: (ratio(seconds, f"{name}: forward", "product"), ratio(seconds, f"{name}: step", "product"))
        for name in timed
    }


def measure_peak(case: Case, variant: str) -> None:
    """Prints one loss's peak memory; a step on two documents before loads the code that the first call loads."""
    loss = {**losses(case), "dense": dense_loss}[variant]
    step(loss, *replace(case, queries=2, documents=2).inputs())
    queries, documents = case.inputs()
    print_peak(lambda: step(loss, queries, documents), case.device)


def bounds(case: Case, found: dict[str, tuple[float, float]], peaks: dict[str, int]) -> list[list[str]]:
    """The bounds that apply to the case, with what was measured."""
    wide, narrow, fp32 = case.width >= 1536, case.width <= NARROW, case.dtype == torch.float32
    one, both = found["smart_train"]
    rows = []
    if wide:
        rows.append(["forward / product", verdict(one, 1.1 if fp32 else 1.25)])
    if wide and case.device == "cuda":
        rows.append(["forward + backward / product", verdict(both, 1.35)])
    elif wide or narrow:
        bound = (1.25 if fp32 else 1.6) if wide else (1.5 if fp32 else 3)
        rows.append(["forward + backward / product", verdict(both, bound)])
    if SAME_IN_FP32 in found:  # holds on every device: a narrow dtype must not cost what it was to save
        rows.append(["forward + backward / the same in fp32", verdict(both / found[SAME_IN_FP32][1], 1.6)])
    for ours, theirs in (
        ("smart_train", "authors' adapter loss"),
        ("smart_train, normalising", "authors' LoRA loss (normalising)"),
    ):
        if theirs not in found:
            continue
        faster = found[theirs][1] / found[ours][1]
        rows.append([f"times faster than {theirs}", verdict(faster, 3 if fp32 else 4.5, at_least=True)])
        if not fp32:  # fast 16-bit products leave the scan for the largest as the floor: say where that is
            rows.append(["... were our backward free", f"{found[theirs][1] / found[ours][0]:.2f}"])
        share = (peaks[ours] - case.gradients) / (peaks[theirs] - case.gradients)
        rows.append([f"memory beyond gradients / {theirs}", verdict(share, 0.3)])
    if KERNELS in found:
        rows.append([f"forward + backward / {KERNELS}", verdict(both / found[KERNELS][1], 1)])
    return rows


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    cases = CASES[options.device]
    if options.peak:
        name, variant = options.peak
        measure_peak(LARGE if name == "large" else cases[name], variant)
        return
    report = Report("maxsim", "Late-interaction loss", options)
    for name, case in cases.items():
        found = times(case, options.rounds, options.threads)
        peaks = {variant: peak(name, variant, options.device, options.threads) for variant in losses(case)}
        shown = {variant: _mb(size) for variant, size in peaks.items()}
        size = f"{case.queries} queries x {case.documents} documents, {case.query_tokens} x {case.document_tokens}"
        report.table(
            f"{name}: {size} tokens; times over the bare product; gradients alone take {_mb(case.gradients)}",
            ["loss", "forward", "forward + backward", "peak memory"],
            [[v, f"{one:.2f}", f"{both:.2f}", shown.get(v, "")] for v, (one, both) in found.items()],
        )
        report.table(f"{name}: bounds", ["bound", "measured"], bounds(case, found, peaks))
    if options.device == "cpu":
        ours, dense = (peak("large", name, "cpu", options.threads) for name in ("smart_train", "dense"))
        share = (ours - LARGE.gradients) / (dense - LARGE.gradients)
        report.table(
            f"64 queries x 256 documents x 1,024 tokens, fp32, d {LARGE.width} (gradients {_mb(LARGE.gradients)})",
            ["loss", "peak memory", "beyond gradients, of the dense form"],
            [["smart_train", _mb(ours), verdict(share, 0.1)], ["dense", _mb(dense), "1"]],
        )
    report.finish()


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
