"""Mined negatives against a plain loop over all scores; rules by hand; a killed call goes on."""

from __future__ import annotations

import dataclasses
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from smart_train.data import PairCollator, SourceConfig, load_examples
from smart_train.errors import DataError, SmartTrainError
from smart_train.models.prompt_settings import PromptConfig
from smart_train.retrieval import MiningConfig, mine_negatives
from smart_train.retrieval.corpus import RowCorpus
from smart_train.retrieval.fingerprints import model_fingerprint, sampled_fingerprint
from smart_train.retrieval.mining_rules import select_negatives
from smart_train.retrieval.mining_search import CorpusSearch, Ranking
from smart_train.scoring import ScoringConfig, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import Example, ModelInput


class HashModel(torch.nn.Module):
    """Token states drawn by the text's (or the image's first pixel's) checksum: every pair has a score of its own."""

    def __init__(self, seed: int = 0, stop_after: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([float(seed)]))
        self.family = SimpleNamespace(name="hash", prompts=PromptConfig())
        self.scoring = ScoringConfig()
        self.device = torch.device("cpu")
        self.encoded: list[int] = []
        self.stop_after = stop_after

    def encode_query(self, inputs: list[ModelInput], **options: object) -> Embeddings:
        return self._embed(inputs)

    def encode_document(self, inputs: list[ModelInput], **options: object) -> Embeddings:
        if self.stop_after is not None and len(self.encoded) == self.stop_after:
            raise KeyboardInterrupt
        self.encoded.append(len(inputs))
        self.options = options
        return self._embed(inputs)

    def _embed(self, inputs: list[ModelInput]) -> Embeddings:
        tokens = []
        for item in inputs:
            name = (
                item.text if item.text is not None else repr(Image.open(item.images[0]).convert("RGB").getpixel((0, 0)))
            )
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + int(self.weight))
            tokens.append(normalize(torch.randn(2 + len(name) % 3, 6, generator=generator), dim=-1))
        return Embeddings(normalize(torch.stack([item.mean(0) for item in tokens]), dim=-1), tokens)


def row(number: int, query: str, positive: str, *negatives: str, positive_id: str | None = None) -> Example:
    return Example(
        query=ModelInput(query),
        documents=tuple(ModelInput(text) for text in (positive, *negatives)),
        query_id=f"q-{query}",
        document_ids=(positive_id or f"d-{positive}", *(f"d-{text}" for text in negatives)),
        source="made",
        row=number,
    )


@pytest.fixture
def rows() -> list[Example]:
    """23 rows; the first two ask the same, rows 2 and 3 share their document's id, row 4 brings a negative."""
    made = [row(i, f"query {i}", f"document {i}") for i in range(23)]
    made[1] = row(1, "query 0", "document 1")
    made[2] = row(2, "query 2", "document 2", positive_id="same")
    made[3] = row(3, "query 3", "document 3", positive_id="same")
    made[4] = row(4, "query 4", "document 4", "document 100", "document 0")
    return made


EXTRA = [("e0", ModelInput("document 200")), ("e1", ModelInput("document 5"))]
ANY = {"margin": None, "last_rank": 10}


def naive(rows: list[Example], config: MiningConfig) -> list[tuple[list[str], list[float]]]:
    """Per row the negatives' texts and the scores, by a loop over all documents."""
    model = HashModel()
    texts = list(dict.fromkeys(d.text for r in rows for d in r.documents)) + ["document 200"]
    documents = model._embed([ModelInput(text) for text in texts])
    answers = {}
    for r in rows:
        answers.setdefault(r.query.text, set()).add(r.documents[0].text)
    for query in ("query 2", "query 3"):
        answers[query] = {"document 2", "document 3"}
    found = []
    for r in rows:
        scores = smart_scores(model._embed([r.query]), documents, config.scoring(model.scoring))[0].tolist()
        own = scores[texts.index(r.documents[0].text)]
        others = sorted(
            ((s, t) for s, t in zip(scores, texts, strict=True) if t not in answers[r.query.text]), reverse=True
        )
        window = others[config.first_rank - 1 : config.last_rank]
        if config.margin is not None:
            window = [pair for pair in window if pair[0] <= own - (1 - config.margin) * abs(own)]
        if config.max_score is not None:
            window = [pair for pair in window if pair[0] <= config.max_score]
        chosen = window[: config.negatives]
        found.append(([text for _, text in chosen], [own, *(score for score, _ in chosen)]))
    return found


def read(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "config",
    [
        MiningConfig(negatives=3, **ANY),
        MiningConfig(score="late", negatives=2, first_rank=3, **ANY),
        MiningConfig(score="pooled", negatives=2, first_rank=2, **ANY),
        MiningConfig(negatives=2, margin=0.8, when_short="keep"),
        MiningConfig(negatives=2, margin=None, max_score=0.3, last_rank=30, when_short="keep"),
        MiningConfig(score="late", negatives=3, candidates=24, **ANY),
    ],
    ids=["hybrid", "late", "pooled", "margin", "maximum", "all are candidates"],
)
def test_negatives_are_those_of_a_plain_loop(rows: list[Example], tmp_path: Path, config: MiningConfig) -> None:
    mine_negatives(HashModel(), rows, tmp_path, config, extra=EXTRA, shard_size=7)
    for written, (negatives, scores) in zip(read(tmp_path), naive(rows, config), strict=True):
        assert [written[name] for name in sorted(written) if name.startswith("negative_")] == negatives
        assert written["scores"] == pytest.approx(scores, abs=2e-6)


@pytest.mark.parametrize("products", ["bfloat16", "float16"])
@pytest.mark.parametrize("score", ["hybrid", "late"])
def test_narrow_products_find_the_same_negatives(
    rows: list[Example], tmp_path: Path, score: str, products: str
) -> None:
    config = MiningConfig(score=score, negatives=3, first_rank=2, last_rank=6, margin=None)
    options = {"extra": EXTRA, "shard_size": 7}
    summary = mine_negatives(HashModel(), rows, tmp_path, config, products=products, **options)
    for written, (negatives, scores) in zip(read(tmp_path), naive(rows, config), strict=True):
        assert [written[name] for name in sorted(written) if name.startswith("negative_")] == negatives
        assert written["scores"] == pytest.approx(scores, abs=2e-6)
    assert summary.rescored.endswith(f"% of {summary.queries * summary.documents:,} scores")
    assert json.loads((tmp_path / "mining.json").read_text())["rescored"] == summary.rescored
    assert mine_negatives(HashModel(), rows, tmp_path / "exact", config, **options).rescored == ""


def test_a_search_by_narrow_products_goes_on_where_it_was_killed(
    rows: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = MiningConfig(negatives=3, **ANY)
    save, saved = CorpusSearch._save, []

    def killed(self: CorpusSearch, *args: object) -> None:
        save(self, *args)
        saved.append(args)
        if len(saved) == 3:
            raise KeyboardInterrupt

    options = {"extra": EXTRA, "shard_size": 7, "products": "bfloat16"}
    with monkeypatch.context() as patch:
        patch.setattr(CorpusSearch, "_save", killed)
        with pytest.raises(KeyboardInterrupt):
            mine_negatives(HashModel(), rows, tmp_path, config, **options)
    whole = mine_negatives(HashModel(), rows, tmp_path / "whole", config, **options)
    again = mine_negatives(HashModel(), rows, tmp_path, config, **options)
    assert again == whole and again.rescored
    for name in ("train.jsonl", "mining.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("config", "products", "message"),
    [
        ({"score": "pooled"}, "bfloat16", "products is 'bfloat16'; the pooled score needs no narrow products"),
        ({"candidates": 100}, "float16", "products is 'float16'; two stages .candidates. needs no narrow products"),
        ({}, "tf32", "mining products is 'tf32'; choose one of exact, bfloat16, float16"),
    ],
)
def test_products_that_do_not_fit_are_named(
    rows: list[Example], tmp_path: Path, config: dict, products: str, message: str
) -> None:
    with pytest.raises(SmartTrainError, match=message):
        mine_negatives(HashModel(), rows, tmp_path, MiningConfig(**config), products=products)


def test_the_data_set_is_what_training_reads(rows: list[Example], tmp_path: Path) -> None:
    mine_negatives(HashModel(), rows, tmp_path, MiningConfig(negatives=2, **ANY))
    examples = list(load_examples(SourceConfig(tmp_path)))
    assert [(e.query, e.documents[0], e.query_id, e.document_ids[0]) for e in examples] == [
        (r.query, r.documents[0], r.query_id, r.document_ids[0]) for r in rows
    ]
    featurizer = SimpleNamespace(featurize=lambda inputs, role: {"count": torch.tensor(len(inputs))})
    batch = PairCollator(featurizer, negatives_per_query=2)(examples[:5])
    assert batch["document"]["count"] == 15
    assert batch["teacher_scores"].tolist() == [pytest.approx(r["scores"]) for r in read(tmp_path)[:5]]


def test_two_stages_take_only_what_the_pooled_score_lets_through(rows: list[Example], tmp_path: Path) -> None:
    config = MiningConfig(score="late", negatives=3, candidates=3, last_rank=3, margin=None)
    summary = mine_negatives(HashModel(), rows, tmp_path, config, shard_size=5)
    pooled = MiningConfig(score="pooled", negatives=7, last_rank=7, margin=None)
    near = [set(texts) for texts, _ in naive(rows, pooled)]
    late = [
        dict(zip(texts, scores[1:], strict=True))
        for texts, scores in naive(rows, MiningConfig("late", 20, **ANY | {"last_rank": 20}))
    ]
    for written, through, scores in zip(read(tmp_path), near, late, strict=True):
        negatives = [written[f"negative_{i}"] for i in range(3)]
        assert set(negatives) <= through
        assert negatives == sorted(negatives, key=lambda text: -scores[text])
    assert summary.rows_written == len(rows)


@pytest.mark.parametrize("candidates", [None, 12])
def test_a_killed_call_goes_on_and_ends_the_same(
    rows: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidates: int | None
) -> None:
    config = MiningConfig(negatives=3, candidates=candidates, **ANY)
    mine_negatives(HashModel(), rows, tmp_path / "whole", config, shard_size=4)
    killed = HashModel(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        mine_negatives(killed, rows, tmp_path / "killed", config, shard_size=4)
    assert not (tmp_path / "killed" / "train.jsonl").exists()

    # Then in the midst of the search: the third shard's scores are never written.
    from smart_train.retrieval.mining_search import CorpusSearch

    scored = []
    original = CorpusSearch._score_shards

    def interrupted(self: CorpusSearch, shards: range, *rest: object) -> None:
        again = shards.start in scored
        scored.extend(shards)
        if shards.start == 2 and not again:
            raise KeyboardInterrupt
        original(self, shards, *rest)

    monkeypatch.setattr(CorpusSearch, "_score_shards", interrupted)
    again = HashModel()
    with pytest.raises(KeyboardInterrupt):
        mine_negatives(again, rows, tmp_path / "killed", config, shard_size=4)
    assert sum(killed.encoded) + sum(again.encoded) == 24  # every document once
    last = HashModel()
    mine_negatives(last, rows, tmp_path / "killed", config, shard_size=4)
    assert not last.encoded and scored == [0, 1, 2, 2, 3, 4, 5]
    for name in ("train.jsonl", "mining.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_two_stages_write_each_score_once(rows: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written again with every shard, they would grow with the square of the corpus."""
    from smart_train.retrieval import mining_search

    written: list[int] = []
    save = mining_search.save_tensors

    def counted(path: Path, tensors: dict[str, torch.Tensor], about: dict[str, str]) -> Path:
        written.append(sum(len(tensor) for tensor in tensors.values()))
        return save(path, tensors, about)

    monkeypatch.setattr(mining_search, "save_tensors", counted)
    config = MiningConfig(negatives=3, candidates=12, **ANY)
    totals = []
    for size in (4, 24):
        written.clear()
        mine_negatives(HashModel(), rows, tmp_path / str(size), config, shard_size=size)
        totals.append(sum(written))
    assert totals[0] == totals[1] > 0


def test_other_rules_need_no_second_encoding_or_search(rows: list[Example], tmp_path: Path) -> None:
    mine_negatives(HashModel(), rows, tmp_path / "a", MiningConfig(negatives=3, **ANY))
    again = HashModel()
    config = MiningConfig(negatives=2, first_rank=2, last_rank=6, margin=0.9, when_short="keep")
    mine_negatives(again, rows, tmp_path / "a", config)
    mine_negatives(HashModel(), rows, tmp_path / "b", config)
    assert not again.encoded
    assert (tmp_path / "a" / "train.jsonl").read_bytes() == (tmp_path / "b" / "train.jsonl").read_bytes()


@pytest.mark.parametrize(
    "other",
    [MiningConfig(score="late", negatives=3, **ANY), MiningConfig(negatives=3, candidates=10, **ANY)],
    ids=["score", "candidates"],
)
def test_another_score_is_searched_anew_and_encoded_once(
    rows: list[Example], tmp_path: Path, other: MiningConfig
) -> None:
    """What was encoded serves every score that needs tokens; how far the search of one came says nothing of another."""
    mine_negatives(HashModel(), rows, tmp_path / "a", MiningConfig(negatives=3, **ANY))
    again = HashModel()
    mine_negatives(again, rows, tmp_path / "a", other)
    mine_negatives(HashModel(), rows, tmp_path / "b", other)
    assert not again.encoded
    assert (tmp_path / "a" / "train.jsonl").read_bytes() == (tmp_path / "b" / "train.jsonl").read_bytes()


def test_work_that_knows_its_model_as_version_0_1_0_did_is_gone_on_with(rows: list[Example], tmp_path: Path) -> None:
    config, again = MiningConfig(negatives=2, **ANY), HashModel()
    mine_negatives(HashModel(), rows, tmp_path, config)
    record = tmp_path / "work" / "tokens" / "work.json"
    values = json.loads(record.read_text())
    assert values["model"] == model_fingerprint(again)
    record.write_text(json.dumps(values | {"model": sampled_fingerprint(again)}))
    mine_negatives(again, rows, tmp_path, config)
    assert not again.encoded and json.loads(record.read_text())["model"] == sampled_fingerprint(again)
    with pytest.raises(DataError, match="tokens: was encoded with other model; choose another output folder"):
        mine_negatives(HashModel(seed=1), rows, tmp_path, config)
    mine_negatives(again, rows[2:], tmp_path, config, overwrite=True)
    assert json.loads(record.read_text())["model"] == model_fingerprint(again), "nothing of the old work is left"


class Taught(HashModel):
    """Scores a pair by its first token; counts the pairs."""

    def scores(self, query: ModelInput, documents: list[ModelInput]) -> list[float]:
        self.encoded.append(len(documents))
        return [1.0 / (1 + len(item.text or "")) for item in documents]


def test_a_teachers_scores_of_version_0_1_0_serve_as_well(
    rows: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = MiningConfig(negatives=2, **ANY)
    with monkeypatch.context() as earlier:
        earlier.setattr("smart_train.retrieval.teacher_scoring.model_fingerprint", sampled_fingerprint)
        mine_negatives(HashModel(), rows, tmp_path, config, teacher=Taught())
    first, again, other = read(tmp_path), Taught(), Taught(seed=1)
    mine_negatives(HashModel(), rows, tmp_path, config, teacher=again)
    assert not again.encoded and read(tmp_path) == first
    mine_negatives(HashModel(), rows, tmp_path, config, teacher=other)
    assert len(other.encoded) == len(rows)


def test_work_of_another_model_or_corpus_is_not_used(rows: list[Example], tmp_path: Path) -> None:
    config = MiningConfig(negatives=2, **ANY)
    mine_negatives(HashModel(), rows, tmp_path, config)
    with pytest.raises(DataError, match="tokens: was encoded with other model; choose another output folder"):
        mine_negatives(HashModel(seed=1), rows, tmp_path, config)
    with pytest.raises(DataError, match="other documents, queries"):
        mine_negatives(HashModel(), rows[2:], tmp_path, config)
    other = HashModel(seed=1)
    mine_negatives(other, rows, tmp_path, config, overwrite=True, batch_size=5, num_workers=1)
    assert sum(other.encoded) == 24
    assert (other.options["batch_size"], other.options["num_workers"]) == (5, 1)


def test_work_of_another_version_goes_on_where_no_setting_differs(rows: list[Example], tmp_path: Path) -> None:
    config = MiningConfig(negatives=2, **ANY)
    mine_negatives(HashModel(), rows, tmp_path, config)
    path = next(tmp_path.rglob("work.json"))
    begun = json.loads(path.read_text())
    older = {name: value for name, value in begun["scoring"].items() if name != "pooled_token"}
    path.write_text(json.dumps({**begun, "scoring": older}))
    again = HashModel()
    mine_negatives(again, rows, tmp_path, config)
    assert not again.encoded
    again.scoring = ScoringConfig(pooled_token="drop")
    with pytest.raises(
        DataError, match="with other scoring; .*\n  scoring.pooled_token: 'keep' by default there, 'drop'"
    ):
        mine_negatives(again, rows, tmp_path, config)
    path.write_text(json.dumps({**begun, "dtype": "int4"}))
    with pytest.raises(DataError, match="with other dtype; .*\n  dtype: 'int4' there, unknown to this version"):
        mine_negatives(HashModel(), rows, tmp_path, config)


def test_a_search_is_known_by_the_settings_that_are_used(rows: list[Example], tmp_path: Path) -> None:
    """A later version's setting, at its default, must not throw away how far a search has come."""

    @dataclass(frozen=True)
    class LaterScoring(ScoringConfig):
        stride: int = 1

    def key(scoring: ScoringConfig) -> str:
        embedded = HashModel()._embed([ModelInput("query")])
        options = {"depth": 1, "candidates": None, "file": tmp_path / "search.safetensors"}
        return CorpusSearch(embedded, [], [{0}], scoring, **options).key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smart_train.retrieval.mining_search.ScoringConfig", LaterScoring)
        assert key(LaterScoring()) == key(ScoringConfig())
        assert key(LaterScoring(stride=2)) != key(LaterScoring())


def test_pages_are_linked_and_forgotten_when_no_row_names_them(tmp_path: Path) -> None:
    pages = []
    for i in range(6):
        pages.append(tmp_path / "pages" / f"{i}.png")
        pages[-1].parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (40 * i, 10, 10)).save(pages[-1])
    copy = tmp_path / "pages" / "again.png"  # page 1 under another name: one document, and a positive of its query too
    copy.write_bytes(pages[1].read_bytes())
    documents = [*pages, copy]
    rows = [
        Example(ModelInput(f"query {i}"), (ModelInput(images=(name,)),), f"q{i}", (page.name,), "made", i)
        for i, page in enumerate(documents)
        for name in ([page, str(page)][i % 2],)  # a path may be a string
    ]
    summary = mine_negatives(HashModel(), rows, tmp_path / "mined", MiningConfig(negatives=5, last_rank=6, margin=None))
    assert summary.documents == 6
    examples = list(load_examples(SourceConfig(tmp_path / "mined")))
    for example, page in zip(examples, documents, strict=True):
        contents = [Path(document.images[0]).read_bytes() for document in example.documents]
        assert contents[0] == page.read_bytes() and len(set(contents)) == 6
        assert Path(example.documents[0].images[0]).samefile(pages[1] if page == copy else page), "a hard link"
    few = MiningConfig(negatives=1, last_rank=1, margin=None)
    mine_negatives(HashModel(), rows[:2], tmp_path / "mined", few, overwrite=True)
    assert len(list((tmp_path / "mined" / "images").iterdir())) == 2


def test_parts_of_an_input_come_back(tmp_path: Path) -> None:
    page = Image.new("RGB", (8, 8), "red")
    page.save(tmp_path / "page.png")
    encoded = (tmp_path / "page.png").read_bytes()
    both = ModelInput("see_the_page.png", instruction="Represent.")
    rows = [
        Example(ModelInput("a", instruction="Find."), (both,), "qa", ("both",), "made", 0, task="t"),
        Example(ModelInput("b"), (ModelInput("left.png"),), "qb", ("name",), "made", 1),
        Example(ModelInput("c"), (ModelInput(images=(encoded,)),), "qc", ("bytes",), "made", 2),
    ]

    class Any(HashModel):
        def _embed(self, inputs: list[ModelInput]) -> Embeddings:
            return super()._embed([ModelInput(item.text or "page") for item in inputs])

    mine_negatives(Any(), rows, tmp_path / "mined", MiningConfig(negatives=2, last_rank=2, margin=None))
    first, second, third = load_examples(SourceConfig(tmp_path / "mined"))
    assert (first.query.instruction, first.documents[0], first.task) == ("Find.", both, "t")
    assert second.documents[0] == ModelInput("left.png")
    assert Path(third.documents[0].images[0]).read_bytes() == encoded


def test_videos_are_candidates_and_come_back(tmp_path: Path) -> None:
    frames = []
    for number in range(2):
        frames.append(tmp_path / f"{number}.png")
        Image.new("RGB", (8, 8), (90 * number, 0, 0)).save(frames[-1])
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a film")
    videos = (clip, [str(frame) for frame in frames], "https://host/film")
    rows = [
        Example(ModelInput(f"q{i}"), (ModelInput(video=video),), f"q{i}", (f"d{i}",), "made", i)
        for i, video in enumerate(videos)
    ]

    class Watching(HashModel):
        def _embed(self, inputs: list[ModelInput]) -> Embeddings:
            return super()._embed([ModelInput(item.text or str(item.video)) for item in inputs])

    mine_negatives(Watching(), rows, tmp_path / "mined", MiningConfig(negatives=2, last_rank=2, margin=None))
    first, second, third = (row.documents[0].video for row in load_examples(SourceConfig(tmp_path / "mined")))
    assert Path(first).read_bytes() == b"a film" and Path(first).suffix == ".mp4"
    assert [Path(frame).read_bytes() for frame in second] == [frame.read_bytes() for frame in frames]
    assert third == "https://host/film"
    kept = MiningConfig(negatives=1, last_rank=1, margin=None)
    mine_negatives(Watching(), [rows[1], rows[2]], tmp_path / "mined", kept, overwrite=True)
    assert not list((tmp_path / "mined" / "videos").iterdir())


RANKING = Ranking(torch.arange(8), torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]), {2: 0.7})


@pytest.mark.parametrize(
    ("config", "places", "discarded"),
    [
        # Places 0 and 2 are positives, so that ranks 1, 2, 3 ... are the places 1, 3, 4 ...
        (MiningConfig(negatives=2, margin=None), [1, 3], (0, 0, 0)),
        (MiningConfig(negatives=2, margin=None, first_rank=3), [4, 5], (2, 0, 0)),
        (MiningConfig(negatives=2, margin=0.8), [4, 5], (0, 0, 2)),  # 0.56 and below
        (MiningConfig(negatives=2, margin=0.95, max_score=0.45, first_rank=2), [5, 6], (1, 2, 0)),
        (MiningConfig(negatives=2, margin=None, last_rank=2, max_score=0.7), [3], (0, 1, 0)),
    ],
)
def test_rules_by_hand(config: MiningConfig, places: list[int], discarded: tuple[int, int, int]) -> None:
    selection = select_negatives(RANKING, {0, 2}, 2, config, "")
    assert selection.places == places
    assert tuple(selection.discarded.values()) == discarded


def test_a_margin_below_a_negative_score_is_below_it() -> None:
    ranking = Ranking(torch.arange(3), torch.tensor([-0.1, -0.105, -0.2]), {0: -0.1})
    assert select_negatives(ranking, {0}, 0, MiningConfig(negatives=1, margin=0.9), "").places == [2]


def test_random_picks_depend_on_seed_and_row_alone() -> None:
    def picks(seed: int, name: str) -> list[int]:
        config = MiningConfig(negatives=3, margin=None, pick="random", seed=seed)
        return select_negatives(RANKING, {0, 2}, 2, config, name).places

    assert picks(0, "row 1") == picks(0, "row 1") == sorted(picks(0, "row 1"))
    assert len({tuple(picks(seed, name)) for seed in range(3) for name in ("row 1", "row 2")}) > 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"score": "cosine"}, "score is 'cosine'; choose one of pooled, late, hybrid"),
        ({"negatives": 0}, "negatives is 0; it must be at least 1"),
        ({"first_rank": 98}, "ranks 98 to 100 hold fewer than the 4 negatives wanted; raise last_rank"),
        ({"margin": 1.2}, "margin is 1.2; it must be above 0 and at most 1"),
        ({"candidates": 50}, r"candidates is 50; it must reach last_rank \(100\)"),
        ({"score": "pooled", "candidates": 100}, "the pooled score needs no first stage"),
        ({"when_short": "fill"}, "choose one of drop, keep"),
    ],
)
def test_a_wrong_setting_is_named(values: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        MiningConfig(**values)


def test_rules_that_leave_nothing_say_which(rows: list[Example], tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="has 4 negatives. Candidates left out: .*525 above the maximum.*raise last_rank, margin"
    ):
        mine_negatives(HashModel(), rows, tmp_path, MiningConfig(max_score=-9.0))
    with pytest.raises(DataError, match="there are no rows"):
        mine_negatives(HashModel(), [], tmp_path)
    with pytest.raises(DataError, match="store is 'float64'; choose one of float32"):
        mine_negatives(HashModel(), rows, tmp_path, store="float64")
    with pytest.raises(DataError, match="shard_size is 0; it must be at least 1"):
        mine_negatives(HashModel(), rows, tmp_path, shard_size=0)


def test_a_small_disk_is_seen_after_the_first_shard(
    rows: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    model = HashModel()
    with pytest.raises(DataError, match=r"the encoded queries need another .* GiB \(3 shards.*store tokens as int8"):
        mine_negatives(model, rows, tmp_path, shard_size=6)


@pytest.mark.parametrize("store", ["float16", "bfloat16", "int8"])
def test_smaller_stores_score_nearly_the_same(rows: list[Example], tmp_path: Path, store: str) -> None:
    config = MiningConfig(negatives=3, **ANY)
    mine_negatives(HashModel(), rows, tmp_path, config, store=store)
    exact = naive(rows, MiningConfig(negatives=3, **ANY))
    for written, (_, scores) in zip(read(tmp_path), exact, strict=True):
        assert written["scores"] == pytest.approx(scores, abs=2e-2)


def test_a_query_that_is_a_document_is_not_its_own_negative() -> None:
    """By its content, and by its id where ids do more than count."""
    rows = [row(i, f"document {i}", f"document {i + 1}") for i in range(5)]
    rows[3] = dataclasses.replace(rows[3], query=ModelInput("in other words"), query_id="d-document 1")
    rows[4] = dataclasses.replace(rows[4], query=ModelInput("words", instruction="Find."), query_id="7")
    corpus = RowCorpus(rows, [("7", ModelInput("seven"))], False)
    places = {text.text: place for place, text in enumerate(corpus.documents(range(corpus.document_count)))}
    assert corpus.positives[corpus.row_query[1]] == {places["document 2"], places["document 1"]}
    assert corpus.positives[corpus.row_query[3]] == {places["document 4"], places["document 1"]}
    assert corpus.positives[corpus.row_query[4]] == {places["document 5"]}


def test_texts_of_one_query_id_share_their_answers() -> None:
    rows = [row(i, f"query {i}", f"document {i}") for i in range(4)]
    rows[2] = dataclasses.replace(rows[2], query_id="q-query 0")
    corpus = RowCorpus(rows, (), False)
    places = {text.text: place for place, text in enumerate(corpus.documents(range(corpus.document_count)))}
    answers = [corpus.positives[query] for query in corpus.row_query]
    both = {places["document 0"], places["document 2"]}
    assert answers == [both, {places["document 1"]}, both, {places["document 3"]}]


def test_reading_the_rows_shows_its_progress_where_it_is_wanted(
    rows: list[Example], capsys: pytest.CaptureFixture[str]
) -> None:
    for wish in (True, False):
        RowCorpus(rows, (), wish)
        assert ("Reading rows" in capsys.readouterr().err) == wish
