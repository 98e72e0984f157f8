"""The language estimate: scripts, common words, and saying so where it cannot tell."""

from __future__ import annotations

import pytest

from smart_train.validation.language import UNDECIDED, language_mix, language_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the torque of the pump?", "English"),
        ("Wie hoch ist der Druck und die Temperatur?", "German"),
        ("Quelle est la pression pour les vannes ?", "French"),
        ("¿Cuál es la presión de los tubos?", "Spanish"),
        ("torque pump 40 Nm", UNDECIDED),
        ("Какое давление в насосе?", "Cyrillic script"),
        ("ポンプの圧力は何ですか", "Japanese"),
        ("泵的压力是多少", "Chinese"),
        ("펌프 압력", "Korean"),
        ("2019 / 7", "no letters"),
        ("\u0c2a\u0c02\u0c2a\u0c41", "another script"),
    ],
)
def test_one_text(text: str, expected: str) -> None:
    assert language_of(text) == expected


def test_the_mix_is_counted_most_frequent_first() -> None:
    assert language_mix(["the pump of it", "der Druck und das", "what is the use", ""]) == {
        "English": 2,
        "German": 1,
        "no letters": 1,
    }
