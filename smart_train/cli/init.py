"""`smart-train init`: a first recipe for a model and rows, commented, to be read and edited."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.arguments import FamilyName, TrustRemoteCode
from smart_train.cli.rows import ColumnMap, PagesAs, Split, columns_as_options, parse_columns
from smart_train.cli.typed_options import alone, naming_options, rewritten
from smart_train.errors import RecipeError


def init(
    model: Annotated[str, typer.Argument(help="The model to start from: a folder or a Hub id.", metavar="MODEL")],
    data: Annotated[str, typer.Argument(help="The training rows: a file, a folder or a Hub data set.", metavar="DATA")],
    # No default: the three ways need different hardware and serve different uses.
    method: Annotated[
        str,
        typer.Option(
            help="What is trained. lora: an adapter. qlora: an adapter on 4-bit weights. projection: a map of the "
            "token states, backbone frozen. full: every weight.",
            metavar="lora|qlora|projection|full",
        ),
    ],
    to: Annotated[Path, typer.Option(help="The file to write. It must not exist.", metavar="FILE")] = Path(
        "recipe.yaml"
    ),
    evaluation: Annotated[str | None, typer.Option(help="Held-out rows.", metavar="PATH", show_default=False)] = None,
    split: Split = None,
    evaluation_split: Annotated[
        str | None, typer.Option(help="The split of the held-out rows, if there are several.", show_default=False)
    ] = None,
    columns: ColumnMap = None,
    pages_as: PagesAs = None,
    family: FamilyName = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Write a commented recipe for MODEL and DATA: family, columns, lengths and batch size are filled in from them."""
    if to.exists():
        raise RecipeError(f"{to} already exists; name another file with --to, or move it away")
    from smart_train.run.first_recipe import Wanted, draft_recipe
    from smart_train.utils.atomic import write_text

    wanted = Wanted(
        model=model,
        data=data,
        method=method,
        output_dir=f"runs/{to.stem}",
        evaluation=evaluation,
        split=split,
        evaluation_split=evaluation_split,
        columns=parse_columns(columns),
        pages_as=pages_as,
        family=family,
        trust_remote_code=trust_remote_code,
    )
    with rewritten(_as_typed), naming_options("method"):
        text = draft_recipe(wanted)
    write_text(to, text)
    print(to)
    print(f"Next: smart-train validate {shlex.quote(str(to))}")


def _as_typed(message: str) -> str:
    """A message about rows with DATA, --evaluation and their options, where it names keys of the recipe, which is not
    written yet."""
    message = re.sub(alone(r"data\.train(?:\.path)?"), "DATA", message)
    message = re.sub(alone(r"data\.evaluation(?:\.path)?"), "--evaluation", message)
    message = columns_as_options(message).replace(" (data.on_error: skip leaves them out)", "")
    message = message.replace("pages_as: text in a recipe, --pages-as text on the command line", "--pages-as text")
    return message.replace("--split", "--evaluation-split") if message.startswith("--evaluation:") else message
