"""Text layers that nobody can read are told from languages, code and tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats.pdfs_as_texts import read_pdf_texts
from smart_train.data.formats.unreadable import is_unreadable
from tests.pdf_files import make_pdf, words

TOLD = "Soft water keeps the machine from scaling for many years of use by careful people. " * 3


def shifted(text: str) -> str:
    return "".join(chr(ord(letter) - 29) if letter != " " else " " for letter in text)


def test_glyph_numbers_are_not_letters() -> None:
    assert is_unreadable(shifted(TOLD)) and not is_unreadable(TOLD)
    capitals = (
        "Most Pumps Of Our Town Stop On Monday; The Operator Puts New Oil In Quiet Rooms. USE Oil Of The Town. " * 4
    )
    assert is_unreadable(shifted(capitals)), "capitals from M to V are digits then"
    assert not is_unreadable(" ".join(words("random letters", 30))) and not is_unreadable("XKCD " * 9)


def test_another_alphabet_read_as_latin_is_not_legible() -> None:
    """Ukrainian in a font without a table of characters; Icelandic and French have many such letters, too."""
    assert is_unreadable("Íå ìîæíà ðîçðèâàòè ñïîëó÷åííÿ ëiòåð, ÿêi ïîçíà÷àþòü îäèí çâóê")
    assert not is_unreadable("Þíða þurfti dæluna áður en hún var sett í gang og vatnið rann í læknum")
    assert not is_unreadable("L'élève a été gêné à l'hôtel où naît l'été, près des forêts brûlées")


def test_vietnamese_and_forms_full_of_abbreviations_are_legible() -> None:
    told = (
        "Máy bơm nước được đặt ở cuối dòng sông và chạy bằng điện của nhà máy vào mỗi buổi sáng, khi mực nước đủ cao "
        "để đổ đầy bể chứa, người thợ mở van bằng tay rồi ghi lại áp suất"
    )
    assert not is_unreadable(told)
    assert not is_unreadable("KL. DAG: " * 60), "the same few words again and again tell nothing"


@pytest.mark.parametrize(
    "text",
    [
        '! " # $ !" % & \' !( ) $ * $ + # *\' !* 1 & 2 2 3 4 % 5 1 6 2 0 # 7 * !* 8 ( 9 % !* : 8 ; ( ( $ < = * !" # $',
        "Title of it ???? ??? ab ????? c ???? ??? d e ???? ??? ??? 1 2 3 4 5".replace("?", "\ufffd"),
    ],
)
def test_signs_and_characters_without_a_name_are_not_legible(text: str) -> None:
    assert is_unreadable(text)


@pytest.mark.parametrize(
    "text",
    [
        "5 % 7 % 12 % 9 % 4 % 8 % 3 % 1 % 2 % 6 % 5 % 5 % 7 % 9 % 8 % 3 % 4 % 5 %",
        "\n".join(f"CH{n}25 CHECKS {n}80 WX{n}4 SHRT BLCK {n}26.4 100 CTN" for n in range(12)),
        "if (a[i] != b[i] && c < d) { return x->y + 2 * z; } /* the last of them */ else { w = v / 3; }",
        "The \ufffd pump, the \ufffdrst valve and the o\ufffdce of the \ufffdoor below are closed today.",
        "\ufffd \ufffd # $",
        r"\[ \frac{\partial u}{\partial t} = \alpha \nabla^2 u \] \[ \int_0^1 x^2 \, dx = \frac{1}{3} \] \sum_{i}",
        '<ul> <li><a href="/a">One</a></li> <li><a href="/b">Two</a></li> <li><a href="/c">Three</a></li> </ul>',
        "=A1*$B$1+C1^2 =A2*$B$2+C2^2 =A3*$B$3+C3^2 =SUM(A1:A3)/(B1-B2) =A4*$B$4+C4^2",
        "t U I " + " ".join(f"\ufffd{number}.5" for number in range(3)) + " 12.5 13.5 14.5" * 20,
        "<table><tr><td>pump</td><td>valve</td></tr><tr><td>border</td><td>small</td></tr></table>" * 8,
        "SEQUENCE LISTING of the valve gene " + "gattgcctag ccgtaagctt " * 40,
        "A B C " + " ".join(f"\ufffd{number}.50" for number in range(12)),
    ],
)
def test_tables_code_and_single_unnamed_characters_are_legible(text: str) -> None:
    assert not is_unreadable(text)


def test_a_page_with_glyph_numbers_has_no_text(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    make_pdf(tmp_path / "a.pdf", [[shifted(TOLD[:83])] * 3, ["The pump is closed."]], [])
    pages = read_pdf_texts(tmp_path / "a.pdf", cache_dir=tmp_path / "cache")
    assert [(page.text, page.made_by) for page in pages] == [("", None), ("The pump is closed.", "text layer")]
