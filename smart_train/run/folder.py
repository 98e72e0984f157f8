"""The folder of a run: which recipe made it, how far the run got, and where each of its files is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from smart_train.errors import RunError, listing
from smart_train.recipe import Recipe
from smart_train.recipe.changes import changed_keys
from smart_train.recipe.reader import RECIPE_FILE, read_recipe
from smart_train.run.fingerprints import BASE, Contents
from smart_train.run.longer_run import Extension, check_extendable, is_longer_or_shorter
from smart_train.training.checkpoint_search import WRITE_PROBE, check_writable
from smart_train.utils.atomic import filling, remove, write_json, write_text
from smart_train.utils.differences import lines
from smart_train.utils.locks import LOCK_NAME
from smart_train.utils.manifest import damage, write_manifest
from smart_train.utils.terms import RUN_FILE as RUN_FILE
from smart_train.utils.versions import versions

State = Literal["training", "trained", "exported", "finished"]
COPY_FILE = f"{RUN_FILE}.copy"
BEFORE_FILE, AFTER_FILE = "evaluation.before.json", "evaluation.after.json"
_DISCARDED = "run.json.discarded"  # what run.json is called while --overwrite empties its folder
# Beside the model's and the adapter's names the keys that say where something lies. What lies there is compared by its
# content, so a run may move with all that it reads.
_PLACE_OF_ROWS = re.compile(r"(data\.\w+)(\.\d+)?\.(path|image_root|documents|corpus)")
_KEYS = ("state", "fingerprint", "data", "world_size", "together", "strategy")


@dataclass(frozen=True)
class Spread:
    """How a run is spread over processes.

    Args:
        world_size: processes. together: rows of all of them at a time.
        strategy: "none", "ddp", "zero1", ..., "fsdp2".
    """

    world_size: int
    together: int
    strategy: str


@dataclass
class RunFolder:
    """A folder that belongs to one recipe.

    Attributes:
        state: "training" until the trained model is written, "trained" until every later stage is, "exported" until
            the result is published, then "finished".
        set_back: why the run was set back to an earlier state when it was opened; None where it was not.

    `identity` also holds `extended`: for each time that the run was made longer, the step at which it had ended, and
    how many steps it has since.
    """

    path: Path
    state: State
    identity: dict[str, Any]
    set_back: str | None = None

    base = property(lambda self: self.path / "base")
    final = property(lambda self: self.path / "final")
    export = property(lambda self: self.path / "export")
    before_file = property(lambda self: self.path / BEFORE_FILE)
    after_file = property(lambda self: self.path / AFTER_FILE)

    @classmethod
    def open(
        cls,
        path: Path,
        recipe: Recipe,
        data: str,
        spread: Spread,
        *,
        overwrite: bool,
        contents: Contents | None = None,
        extension: Extension | None = None,
    ) -> RunFolder:
        """A new run folder, or the same run's to continue.

        Args:
            data: digest of the rows' ids, `Contents.ids`.
            contents: what the run reads now; None: nothing is known of it, and nothing is compared.
            extension: how much longer the run is to become, which has ended; None where it is not.

        Raises:
            RunError: the folder holds another recipe's run, the same run over other data, from other weights or in
                other batches, a state that cannot be read under this spread, or files that are not a run.
        """
        check_recipe(path, recipe, overwrite=overwrite)
        identity = {"fingerprint": recipe.fingerprint, "data": data, **asdict(spread)}
        identity["contents"] = {} if contents is None else contents.summary
        if (path / _DISCARDED).is_file() or (overwrite and read_record(path) is not None):
            check_writable(path)
            _discard(path)
        saved, lost = read_record(path), None
        if saved is not None:
            lost = _lost(path, saved["state"])
            saved |= {"state": "training"} if lost or extension else {}
            if contents is not None:
                _check_contents(path, contents, saved.get("contents") or {}, _renamed(path, recipe, saved))
            _check_same(path, saved, identity)
        extended = list((saved or {}).get("extended", []))
        if extension is not None:
            extended.append({"step": extension.step, "steps": extension.steps})
        identity["extended"] = extended
        folder = cls(path, saved["state"] if saved else "training", identity, lost)
        if folder.state != "finished":
            check_writable(path)
            # The mark of a run first: a kill between the two must not leave a folder without a run.json.
            folder.advance(folder.state)
            write_text(path / RECIPE_FILE, recipe.to_yaml())
            if contents is not None:
                contents.save(path)
        return folder

    def advance(self, state: State) -> None:
        """Records how far the run got, in one step; and again, for the case that the first record is damaged."""
        self.state = state
        record = {"state": state, **self.identity, "versions": versions()}
        for name in (RUN_FILE, COPY_FILE):
            write_json(self.path / name, record)

    @property
    def extended_from(self) -> int | None:
        """The step at which the run had ended before it was last made longer; None where it never was."""
        return self.identity["extended"][-1]["step"] if self.identity["extended"] else None

    def damage_of_final(self) -> str | None:
        """What is wrong with the trained model of a run that is finished, which need not have one any more."""
        return damage(self.final) if self.final.is_dir() else None

    def write_whole(self, target: Path, write: Callable[[Path], object], *, again: bool = False) -> None:
        """Lets `write` fill a temporary folder and moves it, with a manifest, to `target`; does nothing when `target`
        is there and as it was written, unless `again`: then what is there stays until the new one is whole."""
        if not again and target.is_dir() and damage(target) is None:
            return
        with filling(target) as partial:
            write(partial)
            write_manifest(partial)


def check_recipe(path: Path, recipe: Recipe, *, overwrite: bool) -> None:
    """Raises RunError unless `path` is free for `recipe` or holds its run, whatever the rows. It needs none of them: a
    changed recipe is refused before hours of decoding."""
    if (path / _DISCARDED).is_file():
        return
    if path.exists() and not path.is_dir():
        raise RunError(f"training.output_dir {path}: is a file; name a folder")
    saved = read_record(path)
    if saved is None:
        if path.is_dir() and any(not _is_leftover(child) for child in path.iterdir()):
            raise RunError(f"training.output_dir {path}: not empty and not a run of smart_train; choose another folder")
    elif saved["fingerprint"] != recipe.fingerprint and not overwrite:
        _check_changes(path, recipe, saved)


def check_place(file: Path, recipe: Recipe, overrides: Sequence[str]) -> None:
    """Raises RunError where `file` is the recipe that a run keeps in its folder, and means another folder: the run was
    moved, or the command is given in another place. Training would begin anew, or go on with another run.

    Args:
        overrides: of the command line. An output folder that is named there is meant.
    """
    folder, output = file.parent, recipe.training["output_dir"]
    named = any(override.partition("=")[0] in ("training", "training.output_dir") for override in overrides)
    if named or file.name != RECIPE_FILE or not (folder / RUN_FILE).is_file():
        return
    if os.path.realpath(folder) != os.path.realpath(output):
        raise RunError(
            f"{file}: is the recipe of the run in {folder}, but its training.output_dir is {output}, meant from "
            f"{Path.cwd()}. To go on with this run, add training.output_dir={folder}; to begin another one, name its "
            "folder there"
        )


def open_finished(path: Path) -> Recipe:
    """The recipe of the run in `path`. Raises RunError when there is none or it has no trained model yet."""
    from smart_train.recipe import load_recipe

    if not (path / RUN_FILE).is_file():
        raise RunError(f"{path}: not a run folder (no {RUN_FILE})")
    if not (path / "final").is_dir():
        raise RunError(f"{path}: this run has no trained model yet; run its recipe to the end first")
    reason = damage(path / "final")
    if reason is not None:
        raise RunError(
            f"{path / 'final'}: {reason}; put it back, or train {path / RECIPE_FILE} again, with --overwrite"
        )
    return load_recipe(path / RECIPE_FILE)


def fingerprints(path: Path) -> dict[str, str]:
    """Digests of the recipe and of the rows of the run in `path`: what its model is made of."""
    saved = read_record(path) or {}
    return {name: saved[key] for name, key in (("recipe", "fingerprint"), ("data", "data")) if key in saved}


def earlier_ends(path: Path) -> list[int]:
    """The steps at which the run in `path` had ended each time that it was made longer."""
    return [extended["step"] for extended in (read_record(path) or {}).get("extended", [])]


def read_record(path: Path) -> dict | None:
    """What `run.json` of the run in `path` says, or, where that is damaged, its copy; None where there is none. Raises
    RunError when neither can be read."""
    file = path / RUN_FILE
    if not file.is_file():
        return None
    try:
        return _read(file)
    except RunError:
        if not (path / COPY_FILE).is_file():
            raise
    return _read(path / COPY_FILE)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise RunError(f"{file}: not valid JSON ({error}); remove the folder or choose another output") from error
    missing = [key for key in _KEYS if key not in values] if isinstance(values, dict) else _KEYS
    if not missing and values["state"] not in get_args(State):
        raise RunError(f"{file}: state {values['state']!r} is not one of {', '.join(get_args(State))}")
    if missing:
        raise RunError(f"{file}: not written by smart_train (no {', '.join(missing)}); choose another folder")
    return values


def _lost(path: Path, state: State) -> str | None:
    """Why the trained model that a run in `state` continues from cannot be used, so that training has to be finished
    again; None where it can. A finished run needs no such model."""
    if state not in ("trained", "exported"):
        return None
    final = path / "final"
    reason = damage(final) if final.is_dir() else "is missing"
    return None if reason is None else f"{final}: {reason}"


def _is_leftover(file: Path) -> bool:
    """Whether a kill while the folder was being opened left `file`."""
    temporary = file.name.startswith((f"{RUN_FILE}.", f".{RUN_FILE}.")) and file.name.endswith(".tmp")
    return temporary or file.name in (WRITE_PROBE, LOCK_NAME)


def _discard(path: Path) -> None:
    """Empties a run folder, in place (it may be a mount). A kill on the way leaves the mark that says so, and the next
    start ends the work."""
    mark = path / _DISCARDED
    if (path / RUN_FILE).is_file():
        (path / RUN_FILE).replace(mark)
    for child in path.iterdir():
        if child not in (mark, path / LOCK_NAME):
            remove(child)
    remove(mark)


def extends(path: Path, recipe: Recipe) -> bool:
    """Whether the run in `path` has ended and `recipe` is the same but for how long it trains; `check_recipe` has
    refused what cannot be."""
    saved = None if (path / _DISCARDED).is_file() else read_record(path)
    if saved is None or saved["state"] == "training" or saved["fingerprint"] == recipe.fingerprint:
        return False
    return is_longer_or_shorter(path, recipe)


def has_finished(path: Path, recipe: Recipe) -> bool:
    """Whether nothing of `recipe` is left to do in `path`, which holds its run, or one that it makes longer."""
    return (read_record(path) or {}).get("state") == "finished" and not extends(path, recipe)


def _check_changes(path: Path, recipe: Recipe, saved: dict[str, Any]) -> None:
    """Raises RunError unless the recipe in `path` is the same run in the words of another version or in another place,
    or makes a run that has ended longer."""
    file = path / RECIPE_FILE
    if not file.is_file():
        raise RunError(
            f"training.output_dir {path}: holds the run of another recipe, whose file {file} is missing; choose "
            "another folder or pass --overwrite to discard it"
        )
    changed = changed_keys(read_recipe(file), recipe)
    longer = bool(changed) and is_longer_or_shorter(path, recipe)
    if longer and saved["state"] != "training":
        check_extendable(path, recipe)
    elif changed and not _only_moved(path, changed, saved):
        hint = "; once this run has ended, it can be made longer" if longer else ""
        if BASE in changed and saved["state"] != "finished" and (path / "final").exists():
            hint = (
                f"; where the base was moved: {path / 'final'} names the old place, so put the base, or a link to it, "
                "there until the run is finished"
            )
        raise RunError(
            f"training.output_dir {path}: holds the run of another recipe ({file}); choose another folder or pass "
            f"--overwrite to discard it{hint}\n" + listing(lines(changed), shown=len(changed))
        )


def _only_moved(path: Path, changed: Collection[str], saved: dict[str, Any]) -> bool:
    """Whether these keys say where something lies whose content the run knows, and will compare. A finished run does
    not read its base any more, so there another name is another run. A trained model names the base by its place, and
    is loaded, exported and given its card by that: `final` written already, the base has to stay where it was."""
    known = saved.get("contents") or {}  # by the keys of the recipe that they were read for
    if saved["state"] == "finished" or (BASE in changed and (path / "final").exists()):
        return False
    return all(_PLACE_OF_ROWS.sub(r"\1", key) in known for key in changed)


def _renamed(path: Path, recipe: Recipe, saved: dict[str, Any]) -> Collection[str]:
    """The keys by which `recipe` differs from that of the run in `path`."""
    file = path / RECIPE_FILE
    if saved["fingerprint"] == recipe.fingerprint or not file.is_file():
        return ()
    return changed_keys(read_recipe(file), recipe)


def _check_contents(path: Path, contents: Contents, saved: dict[str, Any], moved: Collection[str]) -> None:
    differences = contents.differences(path, saved, moved)
    if differences:
        raise RunError(
            f"training.output_dir {path}: its run began on other data rows or weights than are there now; put the old "
            "ones back to go on with it, choose another folder, or pass --overwrite to start over on what is there "
            "now\n" + listing(differences)
        )


def _check_same(path: Path, saved: dict, identity: dict[str, Any]) -> None:
    if saved["data"] != identity["data"]:
        raise RunError(
            f"training.output_dir {path}: its run began on other data rows; choose another folder, or pass --overwrite "
            "to start over on the rows as they are now"
        )
    _check_spread(path, saved, identity)


def _check_spread(path: Path, saved: dict, identity: dict[str, Any]) -> None:
    began = f"training.output_dir {path}: its run began with {saved['world_size']} process(es)"
    batches = [spread["together"] // spread["world_size"] for spread in (saved, identity)]
    # What is left to do after training does not care how many do it, but another batch size is another recipe.
    if saved["together"] != identity["together"] and (saved["state"] == "training" or batches[0] != batches[1]):
        raise RunError(
            f"{began} and {saved['together']} rows at a time, now there are {identity['world_size']} and "
            f"{identity['together']}, which changes the batch and its negatives; launch it as before, set "
            f"training.per_device_train_batch_size so that all processes together take {saved['together']}, or pass "
            "--overwrite"
        )
    if saved["state"] != "training":
        return
    kinds = [spread["strategy"].replace("none", "ddp") for spread in (saved, identity)]
    if kinds[0] != kinds[1]:
        raise RunError(
            f"{began} under {saved['strategy']}, now it is {identity['strategy']}: the optimiser's state is saved in "
            "the format of that engine; launch it as before or pass --overwrite"
        )
