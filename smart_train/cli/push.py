"""`smart-train push`: an export or an adapter to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import RunError

if TYPE_CHECKING:
    from smart_train.export import PushPlan


def push(
    folder: Annotated[Path, typer.Argument(help="A run folder, an export, or an adapter.", metavar="DIR")],
    repo: Annotated[str, typer.Option(help="The repository on the Hub, as OWNER/NAME; created if it does not exist.")],
    private: Annotated[
        bool, typer.Option("--private/--public", help="Visibility of the repository, if it is created.")
    ] = True,
    revision: Annotated[
        str | None, typer.Option(help="The branch; created if it does not exist. Default: the main branch.")
    ] = None,
    message: Annotated[str, typer.Option(help="The commit message.")] = "Upload a model trained with smart_train",
    adapter_only: Annotated[
        bool,
        typer.Option("--adapter-only", help="For a run folder: push only the trained weights, not those of the base."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published, and send nothing; needs no token.")
    ] = False,
) -> None:
    """Publish DIR. It must be verified, and the repository may only hold files that smart_train wrote."""
    from smart_train.export import plan_push, push_folder
    from smart_train.run.folder import RUN_FILE, open_finished

    if (folder / RUN_FILE).is_file():
        recipe = open_finished(folder)
        export = Path(recipe.export.output) if recipe.export.output else folder / "export"
        folder = folder / "final" if adapter_only else export
    elif adapter_only:
        raise RunError(
            f"{folder}: --adapter-only needs a run folder, and this is not one (no {RUN_FILE}); leave the option out"
        )
    if dry_run:
        _show(plan_push(folder, repo), folder, repo, private=private, revision=revision)
        return
    url = push_folder(folder, repo, private=private, revision=revision, commit_message=message)
    plain_console().print(f"Pushed {folder} to {url}")


def _show(plan: PushPlan, folder: Path, repo: str, *, private: bool, revision: str | None) -> None:
    console = plain_console()
    total = sum(size or 0 for size in plan.sizes.values())
    console.print("Dry run: nothing was sent, and the Hub was not asked.")
    console.print(f"folder      {folder}")
    console.print(f"repository  {repo}, branch {revision or 'main'}")
    if private:
        console.print("visibility  private if it is created; a push to a public repository is refused")
    else:
        console.print("visibility  public if it is created; a private repository stays private")
    console.print(f"files       {len(plan.sizes)}, {total:,} bytes")
    for name, size in plan.sizes.items():
        console.print(f"{'by the push' if size is None else f'{size:,}':>18}  {name}")
    console.print(
        "not checked the token, what the repository holds, and whether the folder still gives its golden vectors "
        "(smart-train verify)"
    )
    console.print(f"\nREADME.md, the model card:\n\n{plan.card or 'written by the push, when it reads the base'}")
