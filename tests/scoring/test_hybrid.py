"""The SMART score and its configuration; and that nothing else in the tree computes one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

import smart_train
from smart_train.errors import ScoreError
from smart_train.losses import OBJECTIVES
from smart_train.scoring import ScoringConfig, combine, score_parts, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.reference import maxsim_reference
from smart_train.types import ScoreParts
from smart_train.utils.terms import SCORES, Objective


def embeddings(*lengths: int, dtype: torch.dtype = torch.float32) -> Embeddings:
    tokens = [F.normalize(torch.randn(length, 8), dim=1).to(dtype) for length in lengths]
    return Embeddings(F.normalize(torch.randn(len(lengths), 6), dim=1).to(dtype), tokens)


def test_both_terms_by_hand() -> None:
    query = Embeddings(torch.tensor([[0.6, 0.8]]), [torch.tensor([[1.0, 0.0], [0.0, 1.0]])])
    documents = Embeddings(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]), [torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [-1.0, 0.0]])]
    )
    parts = score_parts(query, documents)
    torch.testing.assert_close(parts.pooled, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(parts.late, torch.tensor([[0.5, 0.7]]))
    scoring = ScoringConfig(pooled_weight=2, late_weight=0.5)
    torch.testing.assert_close(smart_scores(query, documents, scoring), torch.tensor([[1.45, 1.95]]))


def test_late_term_is_the_reference() -> None:
    queries, documents = embeddings(3, 1, 4), embeddings(5, 2, 9, 5)
    late = score_parts(queries, documents, pooled=False).late
    torch.testing.assert_close(late.double(), maxsim_reference(queries.tokens, documents.tokens), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_scores_are_float32_whatever_the_embeddings_are(dtype: torch.dtype) -> None:
    queries, documents = embeddings(3, 4, dtype=dtype), embeddings(5, 2, 9, dtype=dtype)
    parts = score_parts(queries, documents)
    assert parts.pooled.dtype == parts.late.dtype == torch.float32
    exact = score_parts(queries.to(torch.float64), documents.to(torch.float64))
    torch.testing.assert_close(parts.pooled.double(), exact.pooled, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts.late.double(), exact.late, rtol=0, atol=2e-3)


def test_compressed_documents_score_against_plain_queries() -> None:
    queries, documents = embeddings(3, 4), embeddings(5, 2, 9)
    exact = score_parts(queries, documents).late
    for dtype, within in (("bfloat16", 5e-3), ("float16", 1e-3), ("int8", 1e-2)):
        stored = documents.quantize(dtype)
        torch.testing.assert_close(score_parts(queries, stored).late, exact, rtol=0, atol=within)


@pytest.mark.parametrize("stored_as", ["bfloat16", "float16", "int8"])
def test_a_query_learns_from_compressed_documents_as_from_the_same_states_in_fp32(stored_as: str) -> None:
    stored = embeddings(5, 2, 9).quantize(stored_as)
    queries = embeddings(3, 4)
    found = []
    for documents in (stored, stored.quantize("float32")):
        states = [tokens.clone().requires_grad_() for tokens in queries.tokens]
        late = score_parts(Embeddings(queries.pooled, states), documents, pooled=False).late
        (late * torch.arange(1.0, late.numel() + 1).view_as(late)).sum().backward()
        found.append([late.detach(), *(tokens.grad for tokens in states)])
    for of_stored, of_plain in zip(*found, strict=True):
        torch.testing.assert_close(of_stored, of_plain)


def test_a_term_of_weight_zero_is_not_needed() -> None:
    queries, documents = embeddings(3, 4), embeddings(5, 2, 9)
    parts = score_parts(queries, documents)
    torch.testing.assert_close(smart_scores(queries, documents, ScoringConfig(late_weight=0)), parts.pooled)
    torch.testing.assert_close(smart_scores(queries, documents, ScoringConfig(pooled_weight=0)), parts.late)
    assert score_parts(queries, documents, late=False).late is None
    with pytest.raises(ScoreError, match="scoring.late_weight is 1.0 but the late scores were not computed"):
        combine(ScoreParts(parts.pooled, None), ScoringConfig())


def test_gradients_reach_both_terms() -> None:
    queries = Embeddings(
        torch.randn(2, 6, requires_grad=True), torch.randn(7, 8, requires_grad=True), torch.tensor([0, 3, 7])
    )
    smart_scores(queries, embeddings(5, 2), ScoringConfig()).sum().backward()
    assert queries.pooled.grad.abs().sum() > 0 and queries.packed.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: Embeddings(e.pooled[:, :5], e.packed, e.offsets), "queries are 6 wide, documents 5"),
        (lambda e: Embeddings(e.pooled, e.packed[:, :7], e.offsets), "queries are 8 wide, documents 7"),
        (lambda e: Embeddings(e.pooled.to("meta"), e.packed, e.offsets), "queries are on cpu, documents on meta"),
        (
            lambda e: Embeddings(e.pooled / 0, e.packed, e.offsets),
            r"pooled vector of document \[0, 1\] is NaN or infinite",
        ),
        (lambda e: Embeddings(e.pooled, e.packed / 0, e.offsets), r"NaN or infinite: document 0 \(token 0\)"),
    ],
)
def test_bad_embeddings(change: object, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        score_parts(embeddings(3, 4), change(embeddings(2, 2)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pooled_weight": -1}, "scoring.pooled_weight is -1; it must be a finite number"),
        ({"late_weight": float("nan")}, "scoring.late_weight is nan"),
        ({"late_weight": "1"}, "scoring.late_weight is '1'"),
        ({"pooled_weight": True}, "scoring.pooled_weight is True"),
        ({"pooled_weight": 0, "late_weight": 0}, "both 0; at least one term must count"),
        ({"layer": 1.5}, "scoring.layer is 1.5; it must be a whole number"),
        ({"query_tokens": "words"}, "scoring.query_tokens is 'words'; choose one of content, text, visual, all"),
        ({"pooled_token": "maybe"}, "scoring.pooled_token is 'maybe'; choose one of keep, drop"),
        ({"late_wieght": 1}, "scoring.late_wieght: unknown key, did you mean late_weight?"),
        ({"zzz": 1}, "scoring.zzz: unknown key, known keys: pooled_weight"),
    ],
)
def test_bad_configuration(values: dict, message: str) -> None:
    with pytest.raises(ScoreError) as caught:
        ScoringConfig.from_dict(values)
    assert message in str(caught.value)


def test_configuration_survives_json() -> None:
    scoring = ScoringConfig(pooled_weight=0.5, layer=-3, document_tokens="visual", pooled_token="drop")
    assert ScoringConfig.from_dict(scoring.to_dict()) == scoring
    assert ScoringConfig.from_dict({}) == ScoringConfig(1.0, 1.0, -1, "content", "content", "keep")


def test_late_interaction_has_one_owner() -> None:
    """No function outside `scoring` multiplies tensors and takes a maximum over a dimension."""
    root = Path(smart_train.__file__).parent
    owners = set()
    for path in root.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and _looks_like_maxsim(function):
                owners.add(path.relative_to(root).parts[0])
    assert owners == {"scoring"}


def test_the_names_of_the_scores_are_listed_once() -> None:
    """Objectives, which `smart_train.losses` lists once, are named like scores: a second list of them is found too."""
    names = {*SCORES, *OBJECTIVES}
    root = Path(smart_train.__file__).parent
    lists = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            items = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else []
            values = [item.value for item in items if isinstance(item, ast.Constant)]
            if len(values) == len(items) >= 3 and names.issuperset(values):
                lists.append(path.relative_to(root).as_posix())
    assert set(lists) == {"utils/terms.py"}
    assert (*OBJECTIVES,) == get_args(Objective)
    assert "joint" in names


def _looks_like_maxsim(function: ast.AST) -> bool:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    methods = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    names = methods | {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    multiplies = any(isinstance(node, ast.MatMult) for node in ast.walk(function))
    multiplies = multiplies or names & {"matmul", "mm", "bmm", "einsum", "inner_products"}
    return bool(multiplies and (methods & {"amax", "max"} or names & {"largest", "largest_and_where"}))
