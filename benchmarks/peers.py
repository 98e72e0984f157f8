"""What sentence-transformers and mteb do too, in one run: encoding, mining by the pooled score, evaluation.

Run:     python -m benchmarks.peers [--rounds 5] [--write]
Needs:   a CPU core, the packages sentence-transformers and (else its rows are left out) mteb, no network; about three
         minutes.
Expect:  the table between the markers of docs/benchmarks.md: our time over theirs for the same work, at most 1.1.

The same work: encoding is of one folder of random weights, by both. For mining and evaluation, encoders hand out states
that were drawn before, so that what is left is theirs or ours: both keep the encoded corpus on disk and write rows with
scores; all rank the same scores to the same depth and tell the same metrics at the same cut-offs. mteb evaluates by one
score at a time, so where there are three, it runs three times.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks._harness import Report, arguments, importable, interleaved, ratio, verdict
from benchmarks.mteb_peer import Drawn, mteb_evaluation
from smart_train import SmartModel
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.models.prompt_settings import PromptConfig
from smart_train.retrieval import MiningConfig, mine_negatives
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import Example, ModelInput

MOST = 1.1  # times their time
OURS, THEIRS, MTEB = "smart_train", "sentence-transformers", "mteb"
KS = (1, 5, 10)
NEGATIVES, LAST_RANK, MARGIN = 4, 50, 0.95
WORDS = [f"w{number}" for number in range(2_000)]


@dataclass
class Encoder:
    """Hands out states that were drawn before, by text, to us and to them.

    Args:
        pooled: text -> [d]. tokens: text -> [T, d]; the pooled vector as the only token where it is not there.
        late_only: no pooled vectors for us.
    """

    pooled: dict[str, Tensor]
    tokens: dict[str, Tensor] = field(default_factory=dict)
    late_only: bool = False
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    similarity_fn_name: str = "maxsim"

    def __post_init__(self) -> None:
        self.device = torch.device("cpu")
        self.family = SimpleNamespace(name="drawn", prompts=PromptConfig(), late_only=self.late_only)
        self.model_card_data = SimpleNamespace(base_model="drawn", set_evaluation_metrics=lambda *_: None)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def encode_query(self, items: Sequence[Any], **options: Any) -> Any:
        if isinstance(items[0], ModelInput):
            return self._embeddings([item.text or "" for item in items])
        if self.tokens:
            return [self.tokens[text] for text in items]
        states = torch.stack([self.pooled[text] for text in items])
        return states.numpy() if options.get("convert_to_numpy") else states

    encode_document = encode_query

    def _embeddings(self, texts: Sequence[str]) -> Embeddings:
        pooled = torch.stack([self.pooled[text] for text in texts])
        if self.late_only:
            return Embeddings(pooled[:, :0], [self.tokens[text] for text in texts])
        return Embeddings(pooled, pooled, torch.arange(len(texts) + 1))

    @staticmethod
    def similarity(queries: Any, documents: Any) -> Tensor:
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    @staticmethod
    def similarity_pairwise(queries: Any, documents: Any) -> Tensor:
        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(dim=1)


@dataclass(frozen=True)
class Size:
    """How much of each work is done."""

    texts: int = 192
    hidden: int = 256
    rows: int = 4_000
    extra: int = 4_000
    queries: int = 1_000
    documents: int = 10_000
    late_queries: int = 100
    late_documents: int = 1_000
    width: int = 256


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def draw(texts: Sequence[str], width: int, tokens: tuple[int, int] | None = None) -> Encoder:
    """States of all `texts`, alike enough to be hard to tell apart; `tokens`: the fewest and the most of a text."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.randn(width, generator=generator)
    pooled = normalize(torch.randn(len(texts), width, generator=generator) + centre, dim=1)
    made = Encoder(dict(zip(texts, pooled, strict=True)), late_only=tokens is not None)
    if tokens is not None:
        made.scoring = ScoringConfig(pooled_weight=0.0)
        for text in texts:
            length = int(torch.randint(tokens[0], tokens[1] + 1, (), generator=generator))
            made.tokens[text] = normalize(torch.randn(length, width, generator=generator) + centre, dim=1)
    return made


def text_folder(folder: Path, hidden: int) -> Path:
    """A BERT of random weights with the files of sentence-transformers."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
        model_max_length=128,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=hidden,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=4 * hidden,
        max_position_embeddings=128,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}), encoding="utf-8")
    return folder


def encoding(folder: Path, size: Size) -> dict[str, Callable[[], Tensor]]:
    """Both encode the same texts by the same folder; pooled vectors come back."""
    from sentence_transformers import SentenceTransformer

    rng = random.Random(0)
    texts = [sentence(rng, rng.randint(4, 60)) for _ in range(size.texts)]
    where = str(text_folder(folder / "model", size.hidden))
    ours, theirs = SmartModel.from_pretrained(where, device="cpu"), SentenceTransformer(where, device="cpu")
    options: dict[str, Any] = {"batch_size": 32, "show_progress_bar": False}
    return {
        OURS: lambda: ours.encode_document(texts, **options).pooled,
        THEIRS: lambda: theirs.encode(texts, convert_to_tensor=True, **options),
    }


def mining(folder: Path, size: Size) -> dict[str, Callable[[], list[dict[str, Any]]]]:
    """Both mine negatives by the pooled score for the same rows, from the same corpus; rows that were written."""
    rng = random.Random(0)
    pairs = [(f"query {row} {sentence(rng, 8)}", f"page {row} {sentence(rng, 60)}") for row in range(size.rows)]
    extra = [f"page {size.rows + row} {sentence(rng, 60)}" for row in range(size.extra)]
    encoder = draw([text for pair in pairs for text in pair] + extra, size.width)
    for query, page in pairs:
        pull(encoder, query, page)
    count = iter(range(1_000_000))  # a folder for each call: neither may go on from an earlier one
    return {
        OURS: lambda: mine_here(encoder, pairs, extra, folder / f"ours-{next(count)}"),
        THEIRS: lambda: mine_there(encoder, pairs, extra, folder / f"theirs-{next(count)}"),
    }


def mine_here(
    encoder: Encoder, pairs: Sequence[tuple[str, str]], extra: Sequence[str], folder: Path
) -> list[dict[str, Any]]:
    rows = [
        Example(ModelInput(query), (ModelInput(page),), f"q{place}", (f"d{place}",), "drawn", place)
        for place, (query, page) in enumerate(pairs)
    ]
    documents = [(f"x{place}", ModelInput(text)) for place, text in enumerate(extra)]
    config = MiningConfig(score="pooled", negatives=NEGATIVES, last_rank=LAST_RANK, margin=MARGIN)
    mine_negatives(encoder, rows, folder, config, extra=documents, show_progress_bar=False)
    return read_rows(folder / "train.jsonl")


def mine_there(
    encoder: Encoder, pairs: Sequence[tuple[str, str]], extra: Sequence[str], folder: Path
) -> list[dict[str, Any]]:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    queries, pages = zip(*pairs, strict=True)
    with redirect_stderr(StringIO()):  # its bars cannot be turned off
        mined = mine_hard_negatives(
            Dataset.from_dict({"query": list(queries), "positive": list(pages)}),
            encoder,
            corpus=list(extra),
            range_max=LAST_RANK,
            relative_margin=1 - MARGIN,
            num_negatives=NEGATIVES,
            output_format="n-tuple",
            output_scores=True,
            verbose=False,
            cache_folder=str(folder),
        )
        mined.to_json(str(folder / "train.jsonl"), force_ascii=False)
    return read_rows(folder / "train.jsonl")


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluation(size: Size, *, late: bool) -> dict[str, Callable[[], list[dict[str, float]]]]:
    """All rank and measure: three scores of single vectors, or the late score of tokens; metrics of each score."""
    from sentence_transformers.util import mean_maxsim

    rng = random.Random(0)
    queries, documents = (size.late_queries, size.late_documents) if late else (size.queries, size.documents)
    asked = {f"q{place}": f"query {place}" for place in range(queries)}
    corpus = {f"d{place}": f"page {place}" for place in range(documents)}
    relevant = {query: set(rng.sample(list(corpus), 3)) for query in asked}
    encoder = draw([*asked.values(), *corpus.values()], size.width if not late else 128, (8, 32) if late else None)
    for query, documents_of in relevant.items():
        for document in documents_of:
            pull(encoder, asked[query], corpus[document])
    theirs = their_evaluator(asked, corpus, relevant, encoder, late)
    texts = [[ModelInput(text) for text in side.values()] for side in (asked, corpus)]
    data = EvaluationSet(texts[0], list(asked), texts[1], list(corpus), relevant)
    ours = RetrievalEvaluator(data, KS, show_progress_bar=False)
    runs: dict[str, Callable[[], list[dict[str, float]]]] = {
        OURS: lambda: [dict(values) for values in ours(encoder).metrics.values()],
        THEIRS: lambda: by_score(theirs(encoder)),
    }
    if importable("mteb"):
        drawn = Drawn(encoder.encode_document, mean_maxsim if late else encoder.similarity)
        runs[MTEB] = mteb_evaluation(asked, corpus, relevant, drawn, ks=KS, scores=1 if late else 3)
    return runs


def pull(encoder: Encoder, query: str, document: str) -> None:
    """Moves a document towards its query: were none of them near, no rule would let anything through."""
    for states in (encoder.pooled, encoder.tokens):
        if query in states:
            toward = states[query].view(-1, states[query].shape[-1]).mean(0)
            states[document] = normalize(states[document] + 0.3 * toward, dim=-1)


def their_evaluator(
    asked: dict[str, str], corpus: dict[str, str], relevant: dict[str, set[str]], encoder: Encoder, late: bool
) -> Callable[[Encoder], dict[str, float]]:
    from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import mean_maxsim

    kind = MultiVectorInformationRetrievalEvaluator if late else InformationRetrievalEvaluator
    functions = {"late": mean_maxsim} if late else dict.fromkeys(("hybrid", "late", "pooled"), encoder.similarity)
    cuts: dict[str, Any] = dict.fromkeys(("ndcg_at_k", "precision_recall_at_k"), list(KS))
    cuts |= {"accuracy_at_k": [1], "mrr_at_k": [10], "map_at_k": [10]}
    return kind(asked, corpus, relevant, score_functions=functions, write_csv=False, **cuts)


def by_score(metrics: Mapping[str, float]) -> list[dict[str, float]]:
    names = sorted({name.split("_")[0] for name in metrics})
    wanted = [f"ndcg@{k}" for k in KS] + [f"recall@{k}" for k in KS] + ["mrr@10"]
    return [{metric: metrics[f"{name}_{metric}"] for metric in wanted} for name in names]


def works(folder: Path, size: Size) -> dict[str, dict[str, Callable[[], Any]]]:
    """Name of a work -> who does it -> how."""
    return {
        f"encode {size.texts} texts, 4 layers of {size.hidden}": encoding(folder, size),
        f"mine {NEGATIVES} negatives for {size.rows:,} rows among {size.rows + size.extra:,} documents, pooled": mining(
            folder, size
        ),
        f"evaluate {size.queries:,} queries x {size.documents:,} documents, three scores of a vector each": evaluation(
            size, late=False
        ),
        f"evaluate {size.late_queries} queries x {size.late_documents:,} documents of 8 to 32 tokens, late": evaluation(
            size, late=True
        ),
    }


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    report = Report("peers", "Beside sentence-transformers and mteb", options)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, runs in works(Path(folder), Size()).items():
            gc.collect()
            gc.freeze()  # else a collection among all that the libraries have loaded falls on one of the two by chance
            seconds = interleaved(runs, options.rounds, "cpu", options.threads)
            rows += [
                [name, peer, f"{statistics.median(taken):.2f} s", verdict(ratio(seconds, OURS, peer), MOST)]
                for peer, taken in seconds.items()
                if peer != OURS
            ]
    report.table("The same work; times over theirs", ["work", "peer", "theirs", "ours / theirs"], rows)
    report.finish()


if __name__ == "__main__":
    main()
