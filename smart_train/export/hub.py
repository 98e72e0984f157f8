"""Publishing on the Hugging Face Hub: verified folders only, into repositories that are ours, in one commit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import validate_repo_id

from smart_train.errors import ExportError
from smart_train.export.adapters import export_adapter
from smart_train.export.card import CARD_NAME, PLOTS, is_hub_id, named
from smart_train.export.exporter import export_model
from smart_train.export.golden import GOLDEN_NAME
from smart_train.export.parity_record import REPORT_NAME, check_record
from smart_train.export.published_files import ADAPTER_FILES, adapter_files, export_files
from smart_train.export.verify import verify_folder
from smart_train.models import SmartModel
from smart_train.models.loading import own_class
from smart_train.models.saving import WEIGHT_INDEX
from smart_train.models.smart_config import SMART_CONFIG, SmartConfig
from smart_train.utils.atomic import refusal
from smart_train.utils.hashing import sha256
from smart_train.utils.hub_retries import persist
from smart_train.utils.manifest import DIGEST

# Left in a repository beside weights of another kind, these would be loaded in their place, or on top of them.
_LOADED = frozenset({*ADAPTER_FILES, "config.json", "model.safetensors", WEIGHT_INDEX} - {SMART_CONFIG, CARD_NAME})


@dataclass(frozen=True)
class PushPlan:
    """What a push would publish, found out without the network.

    Attributes:
        sizes: name in the repository -> bytes, sorted by name; None for a file that the push makes on its way, from an
            adapter that was not exported.
        card: the model card with the repository's name in it; None where the push writes it.
    """

    sizes: dict[str, int | None]
    card: str | None


def plan_push(folder: str | Path, repo_id: str) -> PushPlan:
    """What `push_folder` would publish of `folder` in `repo_id`. Needs no token, reads no weights, asks no server.

    Not checked, because that needs the Hub or the model: the token, what the repository holds, and whether the folder
    still gives what it was exported with (`verify_folder`).

    Raises:
        ExportError: the folder would be refused, or `repo_id` is not a repository name.
    """
    folder = Path(folder)
    with _explained(repo_id):
        validate_repo_id(repo_id)
    if _unexported_adapter(folder):
        paths = adapter_files(folder) + sorted((folder / PLOTS).glob("*.png"))
        generated: dict[str, int | None] = dict.fromkeys((CARD_NAME, SMART_CONFIG, GOLDEN_NAME, REPORT_NAME))
    else:
        _check_export(folder)
        paths, generated = export_files(folder), {}
    sizes = generated | {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths if path.is_file()}
    card = None
    if sizes[CARD_NAME] is None:
        sizes[SMART_CONFIG] = None  # the push adds where the model comes from when it writes the card
    else:
        card = named((folder / CARD_NAME).read_text(encoding="utf-8"), repo_id)
        sizes[CARD_NAME] = len(card.encode())
    return PushPlan(dict(sorted(sizes.items())), card)


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    commit_message: str = "Upload a model trained with smart_train",
) -> str:
    """Publishes an export, an adapter or a projection in one commit; returns the repository's address.

    The folder is read once more through every installed library first, against its `golden.safetensors`. Nothing
    becomes visible before the commit. What fails and may pass (a dropped connection, an answer of 5xx) is tried again;
    large files that were sent are not sent twice, neither then nor by a later push.

    Args:
        folder: what `export_model` or `export_adapter` wrote, or an adapter or projection folder whose base is on the
            Hub, which is verified on the way.
        repo_id: OWNER/NAME, created if it is not there.
        private: of a repository that is created; an existing public one is refused when private is asked for.
        revision: the branch, created if it is not there; None is the main one.

    Raises:
        ExportError: the folder cannot be verified, its base cannot be found by others, the repository holds somebody
            else's files, or the Hub refuses (no token, no permission, not reachable).
    """
    with _verified(Path(folder)) as ready, _explained(repo_id):
        api = HfApi()
        return persist(lambda: _push(api, ready, repo_id, private, revision, commit_message))


def push_model(
    model: SmartModel,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    adapter_only: bool = False,
) -> str:
    """Exports `model` as it is in memory and publishes it; see `SmartModel.push_to_hub`."""
    with tempfile.TemporaryDirectory() as scratch:
        trained, export = Path(scratch, "trained"), Path(scratch, "export")
        model.save_pretrained(trained)
        # Code that this model needs runs already: whoever loaded it trusted it.
        trusted = own_class(Path(model.family.folder), type(model.family)) is not None
        make = export_adapter if adapter_only else export_model
        make(trained, export, trust_remote_code=trusted)
        return push_folder(export, repo_id, private=private, revision=revision)


def _push(api: HfApi, folder: Path, repo_id: str, private: bool, revision: str | None, message: str) -> str:
    """One attempt, from the state that the repository has now: an earlier one may have come farther than it could
    say."""
    _check_token(api)
    url = api.create_repo(repo_id, private=private, exist_ok=True)
    if revision is not None:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    info = api.model_info(repo_id, revision=revision)
    _check_ours(info, repo_id, private)
    names = {path.relative_to(folder).as_posix(): path for path in export_files(folder)}
    card = (folder / CARD_NAME).read_text(encoding="utf-8")
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(name, path) for name, path in names.items() if name != CARD_NAME),
        CommitOperationAdd(CARD_NAME, named(card, repo_id).encode()),
        *(CommitOperationDelete(name) for name in _stale(api, info, names)),
    ]
    # Against the state that was looked at: files that somebody adds meanwhile make the commit fail, not vanish.
    api.create_commit(repo_id, operations, commit_message=message, revision=revision, parent_commit=info.sha)
    return str(url)


def check_destination(repo_id: str, *, private: bool) -> None:
    """Raises ExportError when a push to `repo_id` would be refused, as far as can be told without writing there."""
    api = HfApi()
    with _explained(repo_id):
        _check_token(api)
        try:
            info = api.model_info(repo_id)
        except RepositoryNotFoundError:
            return  # it will be created
        _check_ours(info, repo_id, private)


@contextmanager
def _verified(folder: Path) -> Iterator[Path]:
    """`folder`, if it is an export that still gives what it gave; a verified copy of an adapter that was not exported.

    Raises:
        ExportError: it is neither, or an adapter whose base others cannot find.
    """
    if _unexported_adapter(folder):
        with tempfile.TemporaryDirectory() as scratch:
            export_adapter(folder, Path(scratch, "adapter"))
            yield Path(scratch, "adapter")
        return
    _check_export(folder)
    verify_folder(folder)
    yield folder


def _unexported_adapter(folder: Path) -> bool:
    """Whether `folder` holds an adapter or projection that has no record of its verification yet.

    Raises:
        ExportError: there is no such folder, or an adapter's base cannot be found by others.
    """
    if not folder.is_dir():
        raise ExportError(f"{folder}: no such folder")
    is_adapter = not (folder / "config.json").is_file() and any((folder / name).is_file() for name in ADAPTER_FILES)
    base = SmartConfig.read(folder).named_base if is_adapter else None
    # A plain PEFT adapter does not say whether it names a folder.
    found_by_others = base is not None and (base.local is False or (base.local is None and is_hub_id(base.name)))
    if is_adapter and not found_by_others:
        raise ExportError(
            f"{folder}: trained on {base and base.name}, which others cannot load; push the merged export instead, or "
            "train on a base that is on the Hub"
        )
    return is_adapter and not (folder / REPORT_NAME).is_file()


def _check_export(folder: Path) -> None:
    """Raises ExportError unless `folder` is as its export was verified, with its card."""
    check_record(folder)
    if not (folder / CARD_NAME).is_file():
        raise ExportError(f"{folder}: the model card ({CARD_NAME}) is missing; export again")


def _stale(api: HfApi, info: ModelInfo, pushed: Mapping[str, Path]) -> list[str]:
    """Files of an earlier push that the new one does not have, to be deleted: what that push recorded as its own, and
    only where the content is still the one that it recorded.

    Raises:
        ExportError: a file that would be loaded in place of what is pushed, or on top of it, is not one of these.
    """
    there = {item.rfilename for item in info.siblings or ()}
    recorded = _recorded(api, info, there)
    left = there - set(pushed) - {CARD_NAME, REPORT_NAME}
    stale = _unchanged(api, info, {name: recorded[name] for name in left & set(recorded)})
    foreign = sorted(left & _LOADED - stale)
    if foreign:
        raise ExportError(
            f"{info.id}: holds {', '.join(foreign)}, which would be loaded in place of what is pushed or on top of it. "
            f"The {REPORT_NAME} there does not say that a push of smart_train wrote it as it is now, so it is not "
            "deleted: delete it by hand, or choose another repository"
        )
    return sorted(stale)


def _recorded(api: HfApi, info: ModelInfo, there: Collection[str]) -> dict[str, str]:
    """Name -> SHA-256 of the files that an earlier push recorded as its own; of none where no record can be read."""
    if REPORT_NAME not in there:
        return {}
    record = api.hf_hub_download(info.id, REPORT_NAME, revision=info.sha)
    try:
        values = json.loads(Path(record).read_text(encoding="utf-8"))
    except ValueError:  # not JSON, or not UTF-8
        return {}
    digests = values.get(DIGEST) if isinstance(values, dict) else None
    return (
        {name: value for name, value in digests.items() if isinstance(value, str)} if isinstance(digests, dict) else {}
    )


def _unchanged(api: HfApi, info: ModelInfo, digests: Mapping[str, str]) -> set[str]:
    """The names in the repository whose content has the SHA-256 of `digests`."""
    if not digests:
        return set()
    same = set()
    for entry in api.get_paths_info(info.id, sorted(digests), revision=info.sha):
        if not isinstance(entry, RepoFile):
            continue
        if entry.lfs is not None:
            actual = entry.lfs.sha256
        else:  # a small file, of which the Hub knows git's digest alone
            actual = sha256(Path(api.hf_hub_download(info.id, entry.path, revision=info.sha)))
        if actual == digests[entry.path]:
            same.add(entry.path)
    return same


def _check_token(api: HfApi) -> None:
    if get_token() is None:
        raise ExportError(
            "no token for the Hub: log in with `hf auth login`, or set HF_TOKEN to one that may write "
            "(https://huggingface.co/settings/tokens)"
        )
    api.whoami()


def _check_ours(info: ModelInfo, repo_id: str, private: bool) -> None:
    names = {item.rfilename for item in info.siblings or ()} - {".gitattributes"}
    if names and SMART_CONFIG not in names:
        raise ExportError(
            f"{repo_id}: holds files that smart_train did not write ({', '.join(sorted(names)[:3])}); choose another "
            "repository"
        )
    if private and info.private is False:
        raise ExportError(
            f"{repo_id}: is public, but a private repository was asked for; make it private in its settings, or push "
            "with "
            "--public (hub.private: false)"
        )


@contextmanager
def _explained(repo_id: str) -> Iterator[None]:
    """Turns the Hub client's errors into ones that say what to do. No message quotes a header: they hold the token."""
    try:
        yield
    except ExportError:
        raise
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        reason = _reason(error, repo_id)
        if reason is None:
            raise
        raise ExportError(f"{repo_id}: {reason}") from error


def _reason(error: BaseException, repo_id: str) -> str | None:
    """What a user can do about `error`; None when it did not come from the Hub or the way there."""
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # the client's wrapper around failed uploads
        return _reason(error.__cause__, repo_id)
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to reach the Hub"
    if isinstance(error, OSError) and (refused := refusal(error, Path(constants.HF_HUB_CACHE))) is not None:
        return f"the Hub's client cannot write its files ({refused}): free some space in {constants.HF_HUB_CACHE}"
    if isinstance(error, ValueError) and str(error).startswith("LFS batch API"):
        return f"the Hub refuses a file: {str(error).splitlines()[-1]}"
    if isinstance(error, HFValidationError):
        return "is not a repository name; it must read OWNER/NAME"
    if isinstance(error, RevisionNotFoundError):
        return "the branch does not exist"
    if isinstance(error, HfHubHTTPError):
        return _status(error.response.status_code, repo_id)
    if isinstance(error, HTTPError):
        return f"the Hub cannot be reached ({type(error).__name__}); push again; uploaded files are not sent twice"
    return None


def _status(code: int, repo_id: str) -> str:
    owner = repo_id.split("/")[0]
    if code == 401:
        return "the Hub does not accept the token (401): log in again with `hf auth login`, or renew HF_TOKEN"
    if code == 403:
        return f"the token may not write there (403): use one with write permission for {owner}, or another owner"
    if code == 404:
        return f"not found (404): {owner} does not exist, or the token may not see it"
    if code in (409, 412):
        return f"the repository was changed during the push ({code}); push again"
    return f"the Hub answered {code}; push again later; uploaded files are not sent twice"
