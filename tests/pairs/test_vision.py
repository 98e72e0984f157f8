"""Queries written by a vision model: asked once for each page, kept, filtered, estimated before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from smart_train.errors import DataError, EndpointError
from smart_train.pairs import ChatEndpoint, Estimate, PairSettings, VisionWriter, make_pairs
from smart_train.pairs.vision import read_queries
from tests.command import call
from tests.pairs.chat_server import ChatServer, Planted, said
from tests.pdf_files import make_pdf

SETTINGS = PairSettings(dpi=40, queries_per_page=2)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two documents that can only be looked at: of three pages with little on them, and of two and a blank one."""
    (tmp_path / "pdf").mkdir()
    make_pdf(tmp_path / "pdf" / "a.pdf", [[(60, "7")], [(60, "8")], [(60, "9")]], [])
    make_pdf(tmp_path / "pdf" / "b.pdf", [[(60, "4")], [], [(60, "5")]], [])
    return tmp_path / "pdf"


def writer(server: ChatServer, agreed: bool = True, model: str = "seer", **changes: object) -> VisionWriter:
    estimates: list[Estimate] = []

    def confirm(estimate: Estimate) -> bool:
        estimates.append(estimate)
        return agreed

    asked = VisionWriter(ChatEndpoint(server.url, model, wait=0.0, attempts=2), confirm, **changes)
    asked.estimates = estimates  # type: ignore[attr-defined]
    return asked


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pages_without_text_get_written_queries(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    asked = writer(server, prices=(1.0, 10.0))
    report = make_pairs(scans, tmp_path / "made", SETTINGS, writer=asked)
    assert report.kinds == {"written": 10} and report.left_out == {
        "nothing of its own that is likely worth asking": 1
    }, "the blank page"
    assert len(server.requests) == 5
    made = rows(tmp_path / "made" / "train.jsonl") + rows(tmp_path / "made" / "held_out.jsonl")
    assert len({row["query"] for row in made}) == 10 and {row["kind"] for row in made} == {"written"}
    (estimate,) = asked.estimates
    assert (estimate.pages, estimate.known, estimate.requests) == (6, 0, 5)
    prompt = server.requests[0]["messages"][0]["content"][0]["text"]
    assert "at most 2 queries" in prompt
    tokens_in = 5 * (13 * 16 + len(prompt) // 4)  # 340 x 440 pixels are 13 x 16 patches of 28
    assert (estimate.input_tokens, estimate.output_tokens) == (tokens_in, 5 * 2 * 30)
    assert estimate.cost == pytest.approx((tokens_in + 10 * 300) / 1e6) and "5 requests for 6 pages" in str(estimate)
    assert asked.used == (500, 35)
    card = (tmp_path / "made" / "README.md").read_text()
    assert "vision model `seer`" in card and "Labels are not judged" in card


def test_a_chance_is_not_for_what_a_model_writes(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    settings = PairSettings(dpi=40, least_chance=0.5)
    with pytest.raises(
        DataError, match=r"least_chance \(--least-chance\) is 0.5; it is for queries from the text of pages"
    ):
        make_pairs(scans, tmp_path / "made", settings, writer=writer(server))
    assert server.requests == []


def test_a_page_is_asked_for_once_whatever_the_folder(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    make_pairs(scans, tmp_path / "one", SETTINGS, writer=writer(server))
    again = writer(server)
    make_pairs(scans, tmp_path / "two", SETTINGS, writer=again)
    assert len(server.requests) == 5 and again.estimates == [], "nothing to ask: nothing to agree to"
    assert (tmp_path / "one" / "train.jsonl").read_bytes() == (tmp_path / "two" / "train.jsonl").read_bytes()
    make_pairs(scans, tmp_path / "three", PairSettings(dpi=40, queries_per_page=1), writer=writer(server))
    assert len(server.requests) == 10, "another prompt"
    make_pairs(scans, tmp_path / "four", SETTINGS, writer=writer(server, model="other"))
    assert len(server.requests) == 15, "another model"


def test_what_was_answered_before_a_refusal_is_kept(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    server.plant(200, said('{"queries": ["price of one slab"]}'))
    server.plant(200, said('{"queries": ["price of two slabs"]}'))
    server.plant(401, "no longer")
    with pytest.raises(
        EndpointError, match="status 401.*\n2 of 5 pages were answered and are kept; run the same command"
    ):
        make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server, workers=1))
    assert len(server.requests) == 3 and not (tmp_path / "made").exists()
    resumed = writer(server)
    make_pairs(scans, tmp_path / "made", SETTINGS, writer=resumed)
    assert len(server.requests) == 3 + 3 and resumed.estimates[0].known == 2
    assert any(row["query"] == "price of one slab" for row in rows(tmp_path / "made" / "train.jsonl")) or any(
        row["query"] == "price of one slab" for row in rows(tmp_path / "made" / "held_out.jsonl")
    )


def test_an_interrupt_does_not_wait_for_what_is_still_to_be_asked(
    scans: Path, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer, stopped = writer(server, workers=1), server.answer, threading.Event()

    def held_up(request: dict, key: str | None) -> Planted:
        """The second request is on its way when the interrupt comes, and is answered after it."""
        if server.requests:
            stopped.wait(10)
        return answer(request, key)

    def interrupted(futures: list[Future], **_: object) -> Iterator[Future]:
        futures[0].result()
        raise KeyboardInterrupt
        yield

    def release() -> None:
        asked._stop.wait(10)
        stopped.set()

    with monkeypatch.context() as patch:
        patch.setattr("smart_train.pairs.vision.tqdm", interrupted)
        patch.setattr(server, "answer", held_up)
        threading.Thread(target=release, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            make_pairs(scans, tmp_path / "made", SETTINGS, writer=asked)
    assert len(server.requests) <= 2
    make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server))
    assert len(server.requests) == 5, "what was answered before is not asked again"


def test_an_estimate_that_is_declined_asks_nothing(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="no request was sent: the estimate was declined"):
        make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server, agreed=False))
    assert not server.requests and not (tmp_path / "made").exists()


def test_a_page_without_a_list_of_queries_stops_or_is_left_out(scans: Path, server: ChatServer, tmp_path: Path) -> None:
    server.plant(200, said("I cannot help with that."), times=3)
    with pytest.raises(
        EndpointError, match=r"page-00001.png: seer gave no list of queries in 3 answers, the last: 'I can"
    ):
        make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server, workers=1))
    server.planted.clear()
    server.plant(200, said("I cannot help with that."), times=3)
    report = make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server, workers=1, on_error="skip"))
    assert len(report.problems) == 1 and "page-0000" in report.problems[0] and report.kinds["written"] >= 8


def test_queries_that_need_their_page_or_fit_two_pages_are_left_out(
    scans: Path, server: ChatServer, tmp_path: Path
) -> None:
    bad = [
        "What does this page show",
        "the figure above",
        "single",
        "What does this mean?",
        "According to the document, why",
        "x " * 400,
    ]
    server.plant(200, said(json.dumps({"queries": [*bad, "shared by both", "The price of seven"]})))
    server.plant(200, said(json.dumps({"queries": ["Shared by both!", "the price of eight", "the  price of EIGHT"]})))
    report = make_pairs(scans, tmp_path / "made", SETTINGS, writer=writer(server, workers=1))
    made = [row["query"] for name in ("train", "held_out") for row in rows(tmp_path / "made" / f"{name}.jsonl")]
    assert sorted(query for query in made if "price" in query) == ["The price of seven", "the price of eight"]
    assert not any("hared" in query or "this page" in query for query in made)
    assert report.kinds == {"written": 2 + 3 * 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"queries": ["a b"]}', ["a b"]),
        ('Sure! ```json\n{"queries": ["a b", "c d"]}\n``` Done.', ["a b", "c d"]),
        ('<think>["not this"]</think> ["this one"]', ["this one"]),
        ('{"queries": []}', []),
        ('{"queries": "a b"}', None),
        ('[1, 2] {"other": 1}', None),
        ("no JSON [at all", None),
    ],
)
def test_reading_an_answer(text: str, expected: list[str] | None) -> None:
    assert read_queries(text) == expected


def test_prompts_of_ones_own(server: ChatServer, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.md"
    prompt.write_text("Schreibe $limit Fragen.")
    assert writer(server, prompt=prompt).method["prompt"] != writer(server).method["prompt"]
    for text, message in (
        ("Write.", "does not name \\$limit"),
        ("Pay $5 for $limit", "a dollar sign is written \\$\\$"),
        ("$limit of $pages", "'pages'; only \\$limit may be named"),
    ):
        prompt.write_text(text)
        with pytest.raises(DataError, match=message):
            writer(server, prompt=prompt)
    with pytest.raises(DataError, match="nowhere.md: cannot be read"):
        writer(server, prompt=tmp_path / "nowhere.md")


def test_the_command_estimates_first_and_takes_the_key_from_its_variable(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ChatServer(key="sk-secret") as server:
        arguments = [scans, "--output", tmp_path / "made", "--dpi", 40, "--endpoint", server.url, "--model", "seer"]
        assert call(monkeypatch, "make-pairs", *arguments) == 2
        captured = capsys.readouterr()
        assert "5 requests for 6 pages" in captured.out and "the estimate cannot be confirmed" in captured.err
        assert call(monkeypatch, "make-pairs", *arguments, "--yes") == 2
        assert "it needs a key, but none was given" in capsys.readouterr().err
        monkeypatch.setenv("SMART_TRAIN_API_KEY", "sk-secret")
        assert call(monkeypatch, "make-pairs", *arguments, "--yes", "--prices", 1, 2) == 0
        out = capsys.readouterr().out
        for expected in (
            "at the prices given",
            "queries: 10 written",
            "tokens used, as counted by the endpoint: 500 in, 35",
        ):
            assert expected in out
        assert "sk-secret" not in out
    for wrong in (["--endpoint", "http://host/v1"], ["--model", "seer"], ["--prices", 1, 2]):
        assert call(monkeypatch, "make-pairs", scans, "--output", tmp_path / "other", *wrong) == 2
        assert "--endpoint" in capsys.readouterr().err
