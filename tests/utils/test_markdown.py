"""Cards are published: other people's words in them are words."""

from __future__ import annotations

from pathlib import Path

from smart_train.export.card import CardFacts, Lineage, _licence, _opening, _training
from smart_train.pairs.card import write_card
from smart_train.pairs.settings import PairReport, PairSettings
from smart_train.scoring import ScoringConfig
from smart_train.utils.markdown import link, plain

EVIL = "<script>alert(1)</script>![x](http://spy/1.png)|`a`"


def test_words_stay_words() -> None:
    assert plain("a_file name (1).pdf") == "a_file name (1).pdf"
    assert plain("a\n# b") == "a # b"
    assert plain(EVIL) == r"&lt;script&gt;alert(1)&lt;/script&gt;!\[x\](http://spy/1.png)\|\`a\`"
    assert link("MIT", "https://host/a") == "[MIT](https://host/a)" and link("MIT", "LICENSE") == "[MIT](LICENSE)"
    assert link("MIT", "javascript:alert(1)") == link("MIT", "https://a)<b>") == "MIT"


def test_file_names_and_a_licence_are_not_html_in_a_card_of_pairs(tmp_path: Path) -> None:
    document = {"document": EVIL, "part": "train", "pages": 1, "queries": 1, "sha256": "0"}
    counts = {"train": {"documents": 1, "corpus": 1, "pages": 1, "queries": 1}}
    report = PairReport(tmp_path, counts, {"title": 1}, [document], {}, [EVIL])
    write_card(tmp_path, report, PairSettings(licence=EVIL), {})
    body = (tmp_path / "README.md").read_text().split("---", 2)[2]
    assert "<script>" not in body and "![x](" not in body and body.count("&lt;script&gt;") == 3


def test_a_base_and_its_licence_are_not_html_in_a_models_card() -> None:
    lineage = Lineage(EVIL, "other", EVIL, "javascript:alert(1)")
    facts = CardFacts(training={"trained": EVIL})
    for text in (_licence(lineage), _opening(lineage, ScoringConfig(), None), *_training(facts)):
        assert "<script>" not in text and "![x](" not in text and "javascript" not in text
