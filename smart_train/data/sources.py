"""Where rows come from: one entry for every format.

| `path` | read as |
|---|---|
| a .jsonl, .ndjson, .csv, .tsv or .json file (also .gz), a .parquet, .arrow, .feather or .tar file | its rows |
| a folder with `queries`, `corpus` and `qrels` | judged pairs (`judged.py`) |
| a folder with `*cand_pool*.jsonl` | queries and their candidates (`formats/mbeir.py`) |
| a folder with `pairs.csv` | queries about the images and PDF pages beside it (`folders.py`) |
| a folder with `SPLIT.jsonl` | JSON lines |
| a folder written by `datasets.save_to_disk` | that data set |
| a folder of .parquet, .json or .csv files | a `datasets` data set |
| a folder of images and PDF files, a .pdf file | documents without queries |
| `name` or `owner/name` that is not a file | a data set on the Hugging Face Hub |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from smart_train.data import document_columns
from smart_train.data.columns import Columns, find_columns, mapped_columns
from smart_train.data.config import NO_OCR, SourceConfig
from smart_train.data.formats import folders, image_folder, judged, labels, layouts, mbeir
from smart_train.data.formats.delimited import DELIMITERS, LooseTable
from smart_train.data.formats.pdf import DPI
from smart_train.data.misspelt_media import are_ids
from smart_train.data.references import References
from smart_train.data.row_files import is_rows_file, read_file
from smart_train.data.rows import ExampleRows, RowReader
from smart_train.data.table import DocumentTable, Table
from smart_train.errors import DataError, causes, did_you_mean, listing
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.inputs.text import check_characters
from smart_train.types import ModelInput
from smart_train.utils.folder_kinds import is_index, is_run, what_is
from smart_train.utils.text_files import plain_name

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load_examples(config: SourceConfig) -> ExampleRows:
    """The rows of a source as a sequence of Examples; nothing is decoded yet.

    Raises:
        DataError: the source or a column does not exist, or there is no row.
        Unreachable: the Hub is out of reach.
    """
    table = _read(config)
    _check_rows(config, table)
    if table.of_pages:
        raise DataError(
            f"{_name(config, table)}: holds pages, but no queries; name them in {folders.PAIRS[0]} beside the pages "
            "(columns query, positive), or make queries: smart-train make-pairs"
        )
    if config.columns is None:
        layouts.check_layout(table.columns, _name(config, table))
    texts = labels.text_columns(table)
    columns = find_columns(_name(config, table), table.columns, config.columns, texts=texts)
    labels.check_labels(table, _name(config, table), columns, mapped_columns(config.columns))
    apart = _documents(config, table)
    if table.documents_apart and apart is None:
        raise DataError(
            f"{_name(config, table)}: names its documents by id (column {table.called['positive']!r}); name the file, "
            "folder or data set that holds them: documents: PATH"
        )
    if apart is None and are_ids(table.rows, columns.positive, References(_root(config, table), DPI)):
        called = table.called.get(columns.positive, columns.positive)
        raise DataError(
            f"{_name(config, table)}: column {called!r} holds names alone, which are rather ids than documents; "
            'name the file or folder with these: documents: PATH (or write {"text": ...} if these are texts)'
        )
    return _scans_read(config, _sample(config, _rows(config, table, columns, apart)))


def load_held_out(config: SourceConfig) -> ExampleRows:
    """The rows of a source that ask something. A row whose query is null is not a mistake here, but a page to be found:
    sets with more pages than queries, some of ViDoRe's among them, are published so. `load_own_documents` gives these.

    Raises: as `load_examples`; or no row has a query.
    """
    rows = load_examples(config)
    # A layout with names of its own, or with documents apart, has no use for such rows: there they are mistakes.
    if rows.reader.names or rows.reader.documents is not None:
        return rows
    asking = rows.without_pages()
    if not len(asking):
        column = rows.reader.columns.query
        raise DataError(f"{rows.source}: none of its {len(rows)} rows has a query (column {column!r})")
    return asking


def load_documents(config: SourceConfig) -> list[tuple[str, ModelInput]]:
    """Id and document of every row of a source that needs no queries, of every image and PDF page below a folder (the
    id is then its path within it), or of the documents that a source keeps apart. For corpora: pages that are searched.

    Raises: as `load_examples`.
    """
    table = _read(config, prefer_pages=True)
    apart = _documents(config, table)
    if apart is not None:
        return apart.rows.documents()
    return _scans_read(config, _sample(config, _document_rows(config, table))).documents()


def load_own_documents(config: SourceConfig) -> list[tuple[str, ModelInput]]:
    """Id and document of everything that the rows of a source may name by id; where they hold their documents
    themselves, those of the rows that ask nothing.

    Raises: as `load_examples`.
    """
    table = _read(config)
    apart = _documents(config, table)
    if apart is not None:
        return apart.rows.documents()
    texts = labels.text_columns(table)
    columns = find_columns(_name(config, table), table.columns, config.columns, query_required=False, texts=texts)
    return [] if columns.query is None else load_held_out(config).page_documents()


def _document_rows(config: SourceConfig, table: Table) -> ExampleRows:
    """The rows of a table of documents; of the user's map only what says where those stand. A title belongs to the text
    below it."""
    given = config.columns if isinstance(config.columns, Mapping) else {}
    given = {ours: theirs for ours, theirs in given.items() if ours in ("positive", "document_id")}
    if "positive" not in given:
        table = document_columns.with_videos(judged.with_titles(table))
        given |= document_columns.picture_beside_text(table, References(_root(config, table), DPI))
    if table.id_column is not None:
        given.setdefault("document_id", table.id_column)
    _check_rows(config, table)
    return _rows(config, table, find_columns(_name(config, table), table.columns, given, query_required=False))


def _sample(config: SourceConfig, rows: ExampleRows) -> ExampleRows:
    """`max_samples` rows drawn under `sample_seed`, each set of them as likely as any other; they keep their order."""
    count = config.max_samples
    if config.sample_seed is None or count is None or count >= len(rows):
        return rows
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(config.sample_seed))
    return rows.select(order[:count].sort().values.tolist())


def _scans_read(config: SourceConfig, rows: ExampleRows) -> ExampleRows:
    return rows.read_scans() if config.pages_as == "text" and rows.reader.documents is None else rows


def _check_rows(config: SourceConfig, table: Table) -> None:
    """Raises DataError where there is no row, no row that could be read, or a column whose name cannot be written."""
    if len(table.rows) == 0:
        raise DataError(f"{_name(config, table)}: holds no rows")
    for column in table.columns if table.available is None else table.available:
        check_characters(column, f"{_name(config, table)}: the name of a column")
    if not table.columns:
        problems = [str(row) for row in table.rows]
        raise DataError(
            f"{_name(config, table)}: none of its {len(problems)} rows can be read:\n{listing(causes(problems))}"
        )


def _rows(
    config: SourceConfig, table: Table, columns: Columns, documents: Mapping[str, ModelInput] | None = None
) -> ExampleRows:
    name = _name(config, table)
    root = _root(config, table)
    if not root.is_dir():
        raise DataError(f"{config.path}: image_root {root} is not a folder")
    reader = RowReader(
        name,
        columns,
        root,
        config.instruction,
        documents=documents,
        dpi=config.dpi or DPI,
        pages_as=config.pages_as or "image",
        ocr=config.ocr,
        library=table.library,
        names=table.called,
        available=table.columns if table.available is None else table.available,
        rows=table.rows,
    )
    return ExampleRows(table.rows, reader, table.numbers)


def _root(config: SourceConfig, table: Table) -> Path:
    return Path(config.image_root) if config.image_root is not None else table.folder


def _name(config: SourceConfig, table: Table) -> str:
    return table.source or str(config.path)


def _documents(config: SourceConfig, table: Table) -> DocumentTable | None:
    """What the rows name by id: the recipe's `documents`, else the table's own; None where there is neither."""
    if config.documents is not None:
        apart = SourceConfig(
            config.documents,
            image_root=config.image_root,
            dpi=config.dpi,
            pages_as=config.pages_as,
            ocr=config.ocr,
        )
        named = _read(apart, prefer_pages=True)
        rows = _document_rows(apart, named) if named.documents is None else _judged_rows(apart, named.documents)
        return DocumentTable(_scans_read(apart, rows))
    if table.documents is not None:
        return DocumentTable(_scans_read(config, _judged_rows(config, table.documents)))
    return None


def _judged_rows(config: SourceConfig, documents: Table) -> ExampleRows:
    """The documents of a judged collection, whose texts are searched as they are: figures of others count them all."""
    rows = _document_rows(replace(config, columns=None), documents)
    rows.reader.cells.printed = None
    return rows


def _read(config: SourceConfig, *, prefer_pages: bool = False) -> Table:
    """
    Args:
        prefer_pages: what a folder of pages is read for are its pages, whatever table lies beside them.
    """
    path = Path(config.path)
    if config.ocr is not None and config.pages_as != "text":
        raise DataError(f"data source {path}: ocr is {config.ocr!r}, {NO_OCR}")
    if config.streaming and path.exists():
        raise DataError(
            f"{path}: streaming is only for data sets on the Hub, and this is a local path; remove streaming"
        )
    if path.is_file():
        if config.split is not None:
            raise DataError(f"{path}: split {config.split!r}: a file has no splits; leave split out")
        if config.subset is not None:
            raise DataError(f"{path}: subset {config.subset!r}: a file has no configurations; leave subset out")
        if path.suffix.lower() == ".pdf":
            return _read_pages(config, path)
        table = read_file(path, config.first_rows, config.columns)
    elif path.is_dir():
        if is_index(path) or is_run(path):  # both hold files that could be taken for rows, and pictures
            raise DataError(
                f"{path}: {what_is(path)}, which holds neither rows nor documents; name those it was made of"
            )
        table = _read_folder(config, path, prefer_pages)
    else:
        _check_hub_id(config)
        table = _read_hub(config)
    return table if config.columns is not None else layouts.adapted(table, _name(config, table), config.first_rows)


def _read_pages(config: SourceConfig, path: Path) -> Table:
    """The pages below a folder, or of one PDF file, as images or as text."""
    if config.pages_as == "text":
        return folders.read_texts(path, config.first_rows, config.ocr)
    return folders.read_pages(path, config.dpi, config.first_rows)


def _read_folder(config: SourceConfig, path: Path, prefer_pages: bool) -> Table:
    pool, pairs = mbeir.pool_in(path), folders.pairs_in(path)
    if judged.is_judged(path):
        return judged.read_judged(path, config.split, config.columns).head(config.first_rows)
    if pool is not None:
        return mbeir.read_candidates(path, pool, config.split, config.first_rows)
    if pairs is not None:
        return folders.read_pairs(path, pairs, config)
    pictures = image_folder.named_pictures(path, config.first_rows) if prefer_pages else None
    if pictures is not None:
        return pictures if image_folder.has_ids(pictures) else _read_pages(config, path)
    lines = _json_lines_in(path, config.split)
    if lines is not None:
        return read_file(lines, config.first_rows, config.columns)
    if not _is_saved(path) and (prefer_pages or not _holds_tables(path)) and folders.holds_pages(path):
        return _read_pages(config, path)
    table = _only_table_in(path, config)
    if table is not None:
        return table
    # Imported here: `datasets` takes seconds to import, which JSON lines and CSV need not pay.
    from smart_train.data.formats import parquet_and_hub

    if _is_saved(path):
        return Table.of_dataset(parquet_and_hub.read_saved(path, config.split), path, config.first_rows)
    if (path / "README.md").is_file():
        parts = parquet_and_hub.judged_parts(str(path), config.subset, config.split, local=True)
        if parts is not None:
            return _joined(config, parts, path)
    return Table.of_dataset(parquet_and_hub.read_folder(path, config.subset, config.split), path, config.first_rows)


def _read_hub(config: SourceConfig) -> Table:
    from smart_train.data.formats import parquet_and_hub

    name, here = str(config.path), Path.cwd()
    if config.streaming:
        assert config.max_samples is not None, "SourceConfig requires it"
        streamed = parquet_and_hub.stream_hub(name, config.subset, config.split, config.max_samples, config.sample_seed)
        return Table.of_dataset(streamed, here)
    parts = parquet_and_hub.judged_parts(name, config.subset, config.split, local=False)
    if parts is not None:
        return _joined(config, parts, here)
    return Table.of_dataset(parquet_and_hub.read_hub(name, config.subset, config.split), here, config.first_rows)


def _joined(config: SourceConfig, parts: Mapping[str, Any], folder: Path) -> Table:
    tables = {part: Table.of_dataset(rows, folder) for part, rows in parts.items()}
    names = {part: f"{config.path}, {part}" for part in parts}
    return judged.join(tables, names, config.columns).head(config.first_rows)


def _json_lines_in(folder: Path, split: str | None) -> Path | None:
    """`SPLIT.jsonl` of a folder, or its only .jsonl file when no split is named; compressed ones too."""
    files = {plain_name(file).stem: file for file in sorted(folder.iterdir()) if plain_name(file).suffix == ".jsonl"}
    stems = list(files)
    if split is not None:
        # `datasets` finds a split anywhere in a file's name, or in the card; else it takes all files for one split.
        if files and not (folder / "README.md").is_file() and not any(split in stem for stem in stems):
            raise DataError(f"{folder}: no split {split!r}{did_you_mean(split, stems)}; splits: {', '.join(stems)}")
        return files.get(split)
    if len(files) > 1:
        names = ", ".join(stems)
        raise DataError(f"{folder}: has several splits, {names}; choose one, for example split: {stems[0]}")
    return files[stems[0]] if files else None


def _only_table_in(folder: Path, config: SourceConfig) -> Table | None:
    """The only file of rows of a folder, if it is of separated values and not the one that `datasets` keeps beside
    images: read as such a file is alone, while the library would take a folder with more pictures for one of these.
    What is too loose for that is left to the library, which reads it in its way."""
    if config.subset is not None or (folder / "README.md").is_file() or _is_saved(folder):
        return None
    files = [file for pattern in ("*", "*/*") for file in folder.glob(pattern) if is_rows_file(file)]
    if len(files) != 1 or plain_name(files[0]).suffix.lower() not in DELIMITERS or files[0].parent != folder:
        return None
    stem = plain_name(files[0]).stem
    fits = config.split is None or config.split in stem or config.split == "train"
    if not fits:
        return None
    try:
        if stem == "metadata" and image_folder.named_pictures(folder) is not None:
            return None
        table = read_file(files[0], config.first_rows, config.columns)
    except LooseTable:
        return None
    return None if table.rows and isinstance(table.rows[-1], LooseTable) else table


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _holds_tables(folder: Path) -> bool:
    """Whether there is a file of rows in `folder` or one level below, where repositories of data sets keep them."""
    return any(is_rows_file(file) for pattern in ("*", "*/*") for file in folder.glob(pattern))


def _check_hub_id(config: SourceConfig) -> None:
    """Raises DataError for a path that can only have been meant as a file or folder."""
    path, text = Path(config.path), str(config.path)
    if is_rows_file(path) and any(mark in path.name for mark in "{*?"):
        raise DataError(
            f"{path}: names several files by a pattern, and patterns are not expanded; put the files into a folder of "
            "their own, and name the folder"
        )
    has_file_ending = is_rows_file(path) or path.suffix.lower() in (*IMAGE_EXTENSIONS, ".pdf")
    if has_file_ending or not _HUB_ID.fullmatch(text) or isinstance(config.path, Path):
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings)
        missing = "" if path.parent.is_dir() else f"; there is no folder {path.parent} either"
        raise DataError(f"{config.path}: no such file or folder{hint}{missing}")
