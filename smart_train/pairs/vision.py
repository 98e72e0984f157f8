"""Queries written by a vision model that sees the page, kept on disk so that no page is paid for twice."""

from __future__ import annotations

import hashlib
import json
import math
import re
import string
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

from tqdm.auto import tqdm

from smart_train.data.formats.pdf import page_cache
from smart_train.errors import DataError, EndpointError
from smart_train.inputs.images import load_image
from smart_train.pairs.candidates import Kind
from smart_train.pairs.endpoint import ChatEndpoint, GivenUp
from smart_train.pairs.leaning import leans
from smart_train.pairs.words import as_words, words_of
from smart_train.utils.atomic import write_text
from smart_train.utils.defaults import PAIR_REQUESTS, PAIRS

_ASKED = 3  # times that a page is asked for when its answers hold no list of queries
_BLANK = 16  # of 255: a page whose lightest and darkest point differ by less shows nothing
_PATCH = 28  # pixels a side that one visual token stands for, in Qwen-VL; other models count differently
_QUERY_TOKENS, _CHARACTERS_PER_TOKEN = 30, 4
MAX_CHARACTERS = 300
# Such a query can only be understood with its page. English alone: the prompt forbids it in every language.
_THINGS = r"(?:chart|diagram|document|excerpt|figure|graph|image|page|passage|picture|section|slide|table|text)"
_POINTING = re.compile(
    rf"\b(?:this|the (?:above|following|given|provided|shown)) {_THINGS}\b|\b{_THINGS} (?:above|below|shown)\b"
    rf"|\b(?:according to|on|in|from) the (?:document|image|page|passage|text)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Estimate:
    """How many requests and tokens the questions will take, and their cost, before the first is asked.

    Attributes:
        pages: to write queries for. known: of these, answered by an earlier call. requests: for the others, less those
            that are blank or the same as another.
        input_tokens, output_tokens: of the requests, roughly: one per 28 x 28 pixels of a page and per four characters
            of the prompt; 30 per query. Services count in their own ways.
        cost: in the currency of the prices, None where none were given.
    """

    pages: int
    known: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None

    @classmethod
    def of(
        cls,
        pages: int,
        known: int,
        requests: int,
        visual_tokens: int,
        prompt: str,
        limit: int,
        prices: tuple[float, float] | None,
    ) -> Estimate:
        """The estimate for requests whose pages have `visual_tokens` together."""
        tokens_in = visual_tokens + requests * (len(prompt) // _CHARACTERS_PER_TOKEN)
        tokens_out = requests * limit * _QUERY_TOKENS
        cost = (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6 if prices is not None else None
        return cls(pages, known, requests, tokens_in, tokens_out, cost)

    def __str__(self) -> str:
        cost = f", about {self.cost:.2f} at the prices given" if self.cost is not None else ""
        return (
            f"{self.requests} requests for {self.pages} pages ({self.known} answered before; blank and identical "
            f"pages are left out): roughly {self.input_tokens:,} tokens in, {self.output_tokens:,} out{cost}"
        )


class VisionWriter:
    """Asks a vision model for the queries of pages; a `smart_train.pairs.QueryWriter`.

    An answer is kept by the content of the page, the prompt and the model, so that work that was cut off goes on where
    it was, in whatever folder.

    Args:
        confirm: gets the estimate before the first request; False stops the work. Not called when all is known.
        prompt: path of another prompt, in which `$limit` stands for the number of queries; None: the package's own,
            `smart_train/pairs/prompts/write_queries.md`.
        on_error: what a page does whose answers hold no queries, three times: "fail" stops, "skip" leaves it out.
        workers: requests at the same time.
        prices: per million tokens in and out, for the estimate.
        cache_dir: where answers are kept; default: `written-queries` beside the page cache.

    Attributes:
        used: tokens in and out that the service counted, for this object's own requests.

    Raises:
        DataError: the prompt cannot be read or has no `$limit`.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint,
        confirm: Callable[[Estimate], bool],
        *,
        prompt: str | Path | None = None,
        on_error: Literal["fail", "skip"] = PAIRS.on_error,
        workers: int = PAIR_REQUESTS,
        prices: tuple[float, float] | None = None,
        cache_dir: str | Path | None = None,
        show_progress_bar: bool | None = None,
    ) -> None:
        self.endpoint, self.confirm, self.on_error, self.workers = endpoint, confirm, on_error, workers
        self.prices, self.used = prices, (0, 0)
        self._template = _read_prompt(prompt)
        self._cache = Path(cache_dir) if cache_dir is not None else page_cache().parent / "written-queries"
        self._hidden = None if show_progress_bar is None else not show_progress_bar
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @property
    def method(self) -> dict[str, Any]:
        digest = hashlib.sha256(self._template.template.encode()).hexdigest()[:16]
        return {"name": "vision model", "model": self.endpoint.model, "prompt": digest}

    def write(self, images: Sequence[Path], limit: int) -> tuple[dict[int, list[tuple[Kind, str]]], list[str]]:
        """place in `images` -> up to `limit` queries that this page answers, and what was wrong with pages left out.

        A query that was written for two pages tells neither apart and is left out of both.

        Raises:
            EndpointError: the service refused or failed, or the estimate was declined. What was answered is kept.
        """
        prompt = self._template.substitute(limit=limit)
        keys = [self._key(image, prompt) for image in images]
        answers = {key: answer for key in keys if (answer := self._earlier_answer(key)) is not None}
        unknown = {key: place for place, key in enumerate(keys) if key not in answers}
        with ThreadPoolExecutor(self.workers) as pool:
            looks = list(pool.map(_visual_tokens, (images[place] for place in unknown.values())))
        todo = {key: place for (key, place), tokens in zip(unknown.items(), looks, strict=True) if tokens}
        problems: list[str] = []
        if todo:
            answered = sum(key in answers for key in keys)
            estimate = Estimate.of(len(images), answered, len(todo), sum(looks), prompt, limit, self.prices)
            if not self.confirm(estimate):
                raise EndpointError("no request was sent: the estimate was declined")
            answers |= self._ask_all(todo, images, prompt, problems)
        usable = [_usable(answers.get(key, [])) for key in keys]
        counts = Counter(as_words(query) for queries in usable for query in queries)
        distinct = [[query for query in queries if counts[as_words(query)] == 1][:limit] for queries in usable]
        written: dict[int, list[tuple[Kind, str]]] = {
            place: [("written", query) for query in queries] for place, queries in enumerate(distinct) if queries
        }
        return written, problems

    def _ask_all(
        self, todo: dict[str, int], images: Sequence[Path], prompt: str, problems: list[str]
    ) -> dict[str, list[str]]:
        answers: dict[str, list[str]] = {}

        def work(item: tuple[str, int]) -> None:
            key, place = item
            try:
                queries = self._ask(key, images[place], prompt)
            except Exception as error:
                if not isinstance(error, _NoQueries) or self.on_error == "fail":
                    self._stop.set()
                    raise
                with self._lock:
                    problems.append(str(error))
                return
            with self._lock:
                answers[key] = queries

        self._stop.clear()
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(work, item) for item in todo.items()]
            try:
                bar = tqdm(futures, desc="asking for queries", leave=False, disable=self._hidden)
                errors = [error for future in bar if (error := future.exception()) is not None]
            except BaseException:
                self._stop.set()  # an interrupt must not wait for all that is still to be asked
                raise
        if errors:
            first = next((error for error in errors if not isinstance(error, GivenUp)), errors[0])
            if not isinstance(first, EndpointError):
                raise first
            raise EndpointError(
                f"{first}\n{len(answers)} of {len(todo)} pages were answered and are kept; run the same command again "
                "for the others"
            ) from first
        return answers

    def _ask(self, key: str, image: Path, prompt: str) -> list[str]:
        if self._stop.is_set():
            raise GivenUp("cancelled, because another request failed")
        page, text = image.read_bytes(), ""
        for _ in range(_ASKED):
            answer = self.endpoint.ask(prompt, page, "image/png", stopped=self._stop.is_set)
            with self._lock:
                self.used = (self.used[0] + answer.input_tokens, self.used[1] + answer.output_tokens)
            queries = read_queries(answer.text)
            if queries is not None:
                self._keep(key, queries)
                return queries
            text = answer.text
        raise _NoQueries(
            f"{image}: {self.endpoint.model} gave no list of queries in {_ASKED} answers, the last: {text[:200]!r} "
            "(on_error skip leaves such pages out)"
        )

    def _key(self, image: Path, prompt: str) -> str:
        digest = hashlib.sha256(image.read_bytes())
        digest.update("\0".join(("", prompt, self.endpoint.model)).encode())
        return digest.hexdigest()[:40]

    def _earlier_answer(self, key: str) -> list[str] | None:
        file = self._cache / f"{key}.json"
        return json.loads(file.read_text(encoding="utf-8"))["queries"] if file.is_file() else None

    def _keep(self, key: str, queries: list[str]) -> None:
        values = {"model": self.endpoint.model, "queries": queries}
        write_text(self._cache / f"{key}.json", json.dumps(values, ensure_ascii=False))


class _NoQueries(EndpointError):
    """Raised where the model answers, but not with queries."""


def read_queries(text: str) -> list[str] | None:
    """The queries of an answer: the first JSON object with `queries`, or list of strings, that stands in it, whatever
    the model says around it; None where there is none. An empty list is an answer: nothing to look up."""
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
    decoder = json.JSONDecoder()
    for match in re.finditer(r"[{\[]", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except json.JSONDecodeError:
            continue
        queries = value.get("queries") if isinstance(value, dict) else value
        if isinstance(queries, list) and all(isinstance(query, str) for query in queries):
            return queries
    return None


def _usable(queries: Sequence[str]) -> list[str]:
    """Queries of at least two words that stand without their page, each once."""
    usable: dict[str, str] = {}
    for raw in queries:
        query = " ".join(raw.split())
        if len(words_of(query)) < 2 or len(query) > MAX_CHARACTERS:
            continue
        if not _POINTING.search(query) and not leans(query):
            usable.setdefault(as_words(query), query)
    return list(usable.values())


def _visual_tokens(image: Path) -> int:
    """Roughly what a page costs a model; 0 for a blank page."""
    page = load_image(image)
    darkest, lightest = cast(tuple[int, int], page.convert("L").getextrema())  # of its one channel
    return 0 if lightest - darkest < _BLANK else math.ceil(page.width / _PATCH) * math.ceil(page.height / _PATCH)


def _read_prompt(path: str | Path | None) -> string.Template:
    if path is None:
        return string.Template(files("smart_train.pairs").joinpath("prompts/write_queries.md").read_text("utf-8"))
    try:
        template = string.Template(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"prompt {path}: cannot be read ({error})") from error
    try:
        used = template.substitute(limit=1) != template.template
    except (KeyError, ValueError) as error:
        raise DataError(f"prompt {path}: {error}; only $limit may be named, and a dollar sign is written $$") from error
    if not used:
        raise DataError(f"prompt {path}: does not name $limit, the number of queries to write")
    return template
