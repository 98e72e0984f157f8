"""Scoring without gradients: packed documents against the authors' evaluator and a bare product.

    python -m benchmarks.scoring            # CPU: about a minute; CUDA where there is one
    python -m benchmarks.scoring --write    # the same, into docs/benchmarks.md

Sixteen queries against one set of documents of equal length and one of very unequal lengths, d 2048. Speed is a
multiple of the authors' evaluator; errors are against fp64. Then narrow storage against fp32 at many sizes, from one
query to many and from narrow states to wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks._harness import Report, arguments, importable, interleaved, peak, print_peak, ratio, verdict
from smart_train.scoring import PackedDocuments, arithmetic
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.int8_products import integer_products

WIDTH = 2048
QUERIES, QUERY_TOKENS = 16, 32
# Bounds, uniform and ragged, where the device multiplies the dtype; where it does not, those of float32 over `SLOWER`.
SPEED = {"float32": (1.5, 2.5), "bfloat16": (6.0, 9.0), "int8": (12.0, 18.0)}
SLOWER = 1.3  # most that narrow storage may cost over fp32, on any device
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}


@dataclass(frozen=True)
class Case:
    lengths: tuple[int, ...]
    device: str
    width: int = WIDTH
    queries: int = QUERIES

    def inputs(self) -> tuple[Embeddings, Embeddings]:
        """Unit states of queries and documents, as real ones are: all lean one way, a few dimensions stand out."""
        torch.manual_seed(0)
        lean = torch.randn(self.width, device=self.device)
        lean[:4] *= 20
        return self._states([QUERY_TOKENS] * self.queries, lean), self._states(self.lengths, lean)

    def _states(self, lengths: Sequence[int], lean: Tensor) -> Embeddings:
        values = torch.randn(sum(lengths), self.width, device=self.device).add_(lean, alpha=0.5)
        values /= values.norm(dim=1, keepdim=True)
        offsets = torch.tensor([0, *lengths], device=self.device).cumsum(0)
        return Embeddings(torch.ones(len(lengths), 1, device=self.device), values, offsets)


def cases(device: str) -> dict[str, Case]:
    many = 8 if device == "cuda" else 1
    generator = torch.Generator().manual_seed(1)
    ragged = torch.randint(100, 1201, (96 * many,), generator=generator).tolist()
    return {
        "uniform": Case((700,) * (64 * many), device),
        "ragged": Case(tuple(ragged), device),
    }


def sizes(device: str) -> list[Case]:
    """From one query to 64, states from narrow to wide, pages and one long document."""
    many = 8 if device == "cuda" else 1
    pages = {128: (1000,) * 20, 320: (700,) * 20, 2048: (1300,) * 8, 4096: (1300,) * 4}
    made = [
        Case(lengths * many, device, width, queries) for queries in (1, QUERIES) for width, lengths in pages.items()
    ]
    return [*made, Case((700,) * 8 * many, device, WIDTH, 64), Case((20000,), device)]


def authors_evaluator(queries: Embeddings, documents: Embeddings) -> Tensor:
    """The authors' evaluator, restated: four queries at a time against 64 documents padded for them, fp32."""
    rows = []
    for start in range(0, len(queries), 4):
        query, query_mask = _padded(queries.tokens[start : start + 4])
        columns = []
        for first in range(0, len(documents), 64):
            document, mask = _padded(documents.tokens[first : first + 64])
            similarity = torch.einsum("qtd,nkd->qtnk", query, document)
            similarity = similarity.masked_fill(~mask[None, None], torch.finfo(torch.float32).min)
            best = similarity.max(dim=3).values.masked_fill(~query_mask[:, :, None], 0.0)
            columns.append(best.sum(dim=1) / query_mask.sum(dim=1, keepdim=True))
        rows.append(torch.cat(columns, dim=1))
    return torch.cat(rows)


def _padded(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    values = items[0].new_zeros(len(items), max(len(item) for item in items), items[0].shape[1])
    mask = torch.zeros(values.shape[:2], dtype=torch.bool, device=values.device)
    for row, item in enumerate(items):
        values[row, : len(item)] = item
        mask[row, : len(item)] = True
    return values, mask


def exact(queries: Embeddings, documents: Embeddings) -> Tensor:
    left = queries.packed.double()
    columns = [(left @ item.double().T).amax(dim=1) for item in documents.tokens]
    return torch.stack(columns, dim=1).unflatten(0, (QUERIES, QUERY_TOKENS)).mean(dim=1)


def bare_product(dtype: str, queries: Tensor, documents: Tensor) -> Callable[[], Tensor]:
    """All similarities of packed states and nothing else, in the arithmetic that the device has for them."""
    left, right = queries, documents
    if arithmetic(DTYPES[dtype], queries.device).widened:
        dtype = "float32"
    if dtype == "int8":
        left, right = ((side * 127).round().to(torch.int8) for side in (left, right))
        rows = len(right) // 8 * 8
        return lambda: integer_products(left, right, rows)
    left, right = left.to(DTYPES[dtype]), right.to(DTYPES[dtype])
    return lambda: torch.mm(left, right.T)


def scorer(name: str, case: Case) -> Callable[[], Tensor]:
    """One scorer, its documents already where it wants them."""
    queries, documents = case.inputs()
    if name == "authors' evaluator":
        return lambda: authors_evaluator(queries, documents)
    if name == "sentence-transformers":
        from sentence_transformers.util import mean_maxsim

        left, right = queries.tokens, documents.tokens
        return lambda: mean_maxsim(left, right, device=case.device)
    packed = PackedDocuments(documents, dtype=name.removeprefix("packed "))
    return lambda: packed.score_parts(queries, pooled=False).late


def names() -> list[str]:
    """The scorers that can be had here."""
    peers = ["sentence-transformers"] if importable("sentence_transformers") else []
    return ["authors' evaluator", *peers, *(f"packed {dtype}" for dtype in DTYPES)]


def measure_peak(case: Case, name: str) -> None:
    """Prints one scorer's peak memory; a tiny run before loads what the first call loads."""
    scorer(name, Case((40, 50), case.device))()
    print_peak(scorer(name, case), case.device)


def compare(name: str, case: Case, report: Report) -> dict[str, float]:
    """Prints the case's tables; returns each packed form's seconds per valid token."""
    options = report.options
    queries, documents = case.inputs()
    found = {each: scorer(each, case) for each in names()}
    products = {f"product {dtype}": bare_product(dtype, queries.packed, documents.packed) for dtype in DTYPES}
    truth = exact(queries, documents)
    errors = {each: float((run().double() - truth).abs().max()) for each, run in found.items()}
    seconds = interleaved({**found, **products}, options.rounds, case.device, options.threads)
    peaks = {each: peak(name, each, options.device, options.threads) for each in found}
    faster = {each: ratio(seconds, "authors' evaluator", each) for each in seconds}
    lengths = f"{min(case.lengths)} to {max(case.lengths)}" if len(set(case.lengths)) > 1 else f"{case.lengths[0]}"
    report.table(
        f"{name}: {QUERIES} queries x {len(case.lengths)} documents of {lengths} tokens, d {WIDTH}",
        ["scorer", "times the authors' speed", "extra memory", "largest score error"],
        [[each, f"{faster[each]:.2f}", f"{peaks[each] / 1e6:.0f} MB", f"{errors[each]:.0e}"] for each in found]
        + [[each, f"{faster[each]:.2f}", "", ""] for each in products],
    )
    rows = []
    for dtype in SPEED:
        form = f"packed {dtype}"
        bound = speed_bounds(dtype, case.device)
        share = ratio(seconds, f"product {dtype}", form)
        least = product_share(dtype, case.device)
        rows += [
            [f"{form}: times the authors' speed", verdict(faster[form], bound[name == "ragged"], at_least=True)],
            [f"{form}: share of the bare product's speed", verdict(share, least, at_least=True)],
            [f"{form}: extra memory, MB", verdict(peaks[form] / 1e6, 64)],
        ]
    report.table(f"{name}: bounds", ["bound", "measured"], rows)
    return {dtype: min(seconds[f"packed {dtype}"]) / sum(case.lengths) for dtype in DTYPES}


def speed_bounds(dtype: str, device: str) -> tuple[float, float]:
    """Least multiples of the authors' speed, for equal lengths and for unequal ones."""
    if arithmetic(DTYPES[dtype], device).widened:
        uniform, ragged = SPEED["float32"]
        return uniform / SLOWER, ragged / SLOWER
    return SPEED[dtype]


def product_share(dtype: str, device: str) -> float:
    """Least share of the bare product's speed; states that are widened pay for the copy as well."""
    return 1 / SLOWER if arithmetic(DTYPES[dtype], device).widened else 0.85


def narrow_over_fp32(case: Case, rounds: int, threads: int) -> dict[str, float]:
    """Per narrow dtype, the time of a scan over that of the same documents stored in fp32."""
    queries, documents = case.inputs()
    stored = {dtype: PackedDocuments(documents, dtype=dtype) for dtype in DTYPES}
    scans = {dtype: lambda of=of: of.score_parts(queries, pooled=False) for dtype, of in stored.items()}
    seconds = interleaved(scans, rounds, case.device, threads)
    return {dtype: ratio(seconds, dtype, "float32") for dtype in DTYPES if dtype != "float32"}


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    made = cases(options.device)
    if options.peak:
        measure_peak(made[options.peak[0]], options.peak[1])
        return
    report = Report("scoring", "Scoring without gradients", options)
    cost = {name: compare(name, case, report) for name, case in made.items()}
    report.table(
        "Ragged over uniform, per valid token",
        ["documents stored as", "measured"],
        [[dtype, verdict(cost["ragged"][dtype] / cost["uniform"][dtype], 1.1)] for dtype in DTYPES],
    )
    narrow = [dtype for dtype in DTYPES if dtype != "float32"]
    rows = []
    for case in sizes(options.device):
        found = narrow_over_fp32(case, options.rounds, options.threads)
        size = f"{case.queries} x {QUERY_TOKENS} against {len(case.lengths)} x {case.lengths[0]}, d {case.width}"
        rows.append([size, *(verdict(found[dtype], SLOWER) for dtype in narrow)])
    report.table("Time over fp32 storage", ["tokens of queries and documents", *narrow], rows)
    report.finish()


if __name__ == "__main__":
    main()
