"""What the characters of a text layer are read as."""

from __future__ import annotations

import pytest

from smart_train.data.formats.pdf_characters import clean_line, with_accents


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("the exam\ufffeple of it", "the example of it"),
        ("mit jedem Debian\ufffeSystem", "mit jedem Debian-System"),
        ("das WLAN\x025-Modul", "das WLAN-5-Modul"),
        ("eine PDF\ufffedatei, Band 5\ufffefach", "eine PDF-datei, Band 5-fach"),
        ("the 4th\ufffegrade pupils, a 3rd\ufffeparty tool", "the 4th-grade pupils, a 3rd-party tool"),
        ("state-of\ufffethe-art, end-to\ufffeend, c'est-à\ufffedire", "state-of-the-art, end-to-end, c'est-à-dire"),
        ("his father-in\ufffelaw, a brother-in\ufffelaw", "his father-in-law, a brother-in-law"),
        ("non-in\ufffevasive, self-deter\ufffemined", "non-invasive, self-determined"),
        ("semi-of\ufffeficial, non-to\ufffexic, post-the\ufffecture", "semi-official, non-toxic, post-thecture"),
        ("1Ein\ufffeleitung, 100kilo\ufffemeter", "1Einleitung, 100kilometer"),
        ("die Vor\ufffeund Nachteile", "die Vor- und Nachteile"),
        ("must be tigh\xadtened", "must be tightened"),
        ("sur \x13 Annuler \x14 ici", "sur Annuler ici"),
        ("an of\x1cce, \x1erst", "an office, ffirst"),
        ("an o\x05ce", "an o\ufffdce"),
        ("\uf0b7 An item", "• An item"),
        ("the \uf0b7 item\ue123", "the item"),
        ("می\u200cشود \u202bعربي\u202c", "می\u200cشود عربي"),
        (" \x00 \x01", ""),
    ],
)
def test_lines_are_cleaned(raw: str, read: str) -> None:
    assert clean_line(raw) == read


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("R´epertorier: d´ej`a tr`es t^ot, apparaˆıt", "Répertorier: déjà très tôt, apparaît"),
        ("f¨ur alle, Fran¸cais, Franc¸ais", "für alle, Français, Français"),
        ("it´s 5 % of x^a and `open`", "it´s 5 % of x^a and `open`"),
        ("http://host/˜user", "http://host/˜user"),
    ],
)
def test_accents_are_put_on_their_letters(line: str, read: str) -> None:
    assert with_accents([line]) == [read]
