"""Names, signatures, commands and file keys that users rely on change only on purpose."""

from __future__ import annotations

import re
from pathlib import Path

from tests.public_names import SIGNED, lines

ROOT = Path(__file__).parents[1]
FROZEN = Path(__file__).with_name("public_names.txt")
RULE = (
    "this is public; if the change is meant, change tests/public_names.txt "
    "(python -m tests.public_names > tests/public_names.txt) and add a line to CHANGELOG.md"
)


def difference(frozen: list[str], current: list[str]) -> str:
    """What is gone (-) and what is new (+), and the rule; empty where nothing is."""
    changed = [f"- {line}" for line in frozen if line not in current]
    changed += [f"+ {line}" for line in current if line not in frozen]
    return "\n".join([*changed, RULE]) if changed else ""


def test_public_names_change_on_purpose_only() -> None:
    message = difference(FROZEN.read_text().splitlines(), list(lines()))
    assert not message, f"\n{message}"


def test_the_message_names_what_changed_and_what_to_do() -> None:
    frozen = ["call smart_train.maxsim(queries, documents)", "command train"]
    assert difference(frozen, frozen) == ""
    message = difference(frozen, ["call smart_train.maxsim(queries)", "command train"])
    assert message.splitlines() == [
        "- call smart_train.maxsim(queries, documents)",
        "+ call smart_train.maxsim(queries)",
        RULE,
    ]


def test_every_kind_of_public_name_is_in_the_list() -> None:
    current = list(lines())
    kinds = {"name", "call", "property", "field", "command", "smart_config.json", "run.json"}
    assert {line.split()[0] for line in current} == kinds
    for line in (
        "name smart_train.SmartModel",
        "name smart_train.serving.embedder.Transformer",
        "call smart_train.SmartModel.similarity(self, queries, documents, *, scoring=None)",
        "field smart_train.ScoringConfig.late_weight",
        "command push",
        "smart_config.json format",
        "smart_config.json scoring.late_weight",
        "run.json fingerprint",
    ):
        assert line in current, line


def test_what_the_documents_import_is_signed() -> None:
    """An example that a user copies keeps working: what it imports from a package is frozen with its signature."""
    packages = {name.rpartition(".")[2] for name in SIGNED}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for module, names in re.findall(r"^from (smart_train[\w.]*) import ([\w, ]+)$", page.read_text(), flags=re.M):
            if module.count(".") > 1 or module.rpartition(".")[2] not in packages:
                continue  # docs/families.md tells how a family is written inside the package
            missing = set(names.split(", ")) - set(SIGNED[module])
            assert not missing, f"{page.name} imports {sorted(missing)} from {module}: add them to SIGNED"
