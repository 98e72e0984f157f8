"""Words that point out of a sentence, by language."""

from smart_train.pairs.pointing.matching import end_of_showing, opens_with_link, points_out, presupposes

__all__ = ["end_of_showing", "opens_with_link", "points_out", "presupposes"]
