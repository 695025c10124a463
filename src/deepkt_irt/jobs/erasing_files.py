"""Files of a lake without one student: landing files with their account, truth, report page.

A landing file is written anew beside itself; then quarantine and account are made to fit it, then
it takes its place. Cut off anywhere, the same is done again from the file as it still lies there.
"""

import csv
import io
import json
import shutil
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.errors import BadFile
from deepkt_irt.governance.erasure import BY_COLUMN, LISTS, Note, searches
from deepkt_irt.governance.redaction import redacted
from deepkt_irt.jobs.erasing import Person, Site, theirs
from deepkt_irt.jobs.landing_batches import STAGE, Key, files_below
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Document
from deepkt_irt.sources.reader import content_hash
from deepkt_irt.sources.removal import Removed, json_texts, without
from deepkt_irt.sources.zip_files import take_all_apart
from deepkt_irt.tables import bronze
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE

if TYPE_CHECKING:
    from pyspark.sql import Column

_ENDS = (".part", ".erasing")  # files that a run left unfinished
_TRUTH = "truth"  # of a simulated district


@dataclass(frozen=True)
class Rewritten:
    """A file and what it is to become."""

    key: Key
    path: Path
    new: Path
    removed: Removed


def rewrite_files(site: Site, person: Person) -> list[Note]:
    """Take the student out of all files, and the report page away, which the next run writes.

    Returns:
        A note per file that held the student.
    """
    place = site.opened.place
    changed = _new_landing_files(place.landing, person, site.settings.ingest)
    _forget_refused(site, person, changed)
    _account(site, person, changed)
    truth = _new_truth_files(site.lake, person) if site.lake else []
    for each in (*changed, *truth):
        each.new.replace(each.path)
    place.report_path.unlink(missing_ok=True)
    return [
        Note(
            "rewritten",
            redacted("/".join(each.key), person.ids),
            len(each.removed.received),
            "records taken out; the others stay as they were",
        )
        for each in (*changed, *truth)
    ]


def _new_landing_files(landing: Path, person: Person, limits: IngestSettings) -> list[Rewritten]:
    return [
        each for name in person.sources for each in _new_files_of(landing, name, person, limits)
    ]


def _new_files_of(
    landing: Path, name: str, person: Person, limits: IngestSettings
) -> list[Rewritten]:
    """The files of a source that held the student."""
    source = source_named(name)
    for path in sorted((landing / name).rglob("_*")):
        if path.name.endswith(_ENDS):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    take_all_apart(landing / source.name, source, limits)
    changed = []
    for key, path in files_below(landing).items():
        layout = layout_of_landed(source, path) if key[0] == name else None
        if layout is None:
            continue
        by = {field.header: field.column for field in layout.fields if field.column in BY_COLUMN}
        unwanted = {header: person.values(BY_COLUMN[column], name) for header, column in by.items()}
        lists = frozenset(header for header, column in by.items() if column in LISTS)
        changed += _new_file(key, path, unwanted, lists, layout.document)
    return changed


def _new_truth_files(lake: Path, person: Person) -> list[Rewritten]:
    """The files that hold what a simulated district was made of."""
    unwanted = {name: person.values(subject) for name, subject in BY_COLUMN.items()}
    return [
        each
        for path in sorted((lake / _TRUTH).glob("[!_]*.csv"))
        for each in _new_file((_TRUTH, path.name), path, unwanted)
    ]


def _new_file(
    key: Key,
    path: Path,
    unwanted: dict[str, frozenset[str]],
    lists: frozenset[str] = frozenset(),
    document: Document | None = None,
) -> list[Rewritten]:
    """The file without the student, under a name that readers pass over; none if it stays."""
    if not any(unwanted.values()):
        return []
    new = path.with_name(f"_{path.name}.erasing")
    removed = without(path, new, unwanted, document, lists=lists)
    if not removed.received:
        new.unlink()
        return []
    return [Rewritten(key, path, new, removed)]


def _forget_refused(site: Site, person: Person, changed: list[Rewritten]) -> None:
    """Delete the student's refused rows: those taken out of files, then those found by text."""
    store = site.opened.store
    taken = sorted({(*each.key, row) for each in changed for row in each.removed.received})
    if taken:
        refused = site.rows(taken, "source", "file", "received")
        store.delete_matching(QUARANTINE, refused)
    found = site.read(QUARANTINE).filter(refused_of(site, person))
    values = [tuple(row) for row in found.select("source", "file", "received").collect()]
    if values:
        store.delete_matching(QUARANTINE, site.rows(values, "source", "file", "received"))


def refused_of(site: Site, person: Person) -> "Column":
    """The condition of refused rows that name the student, in fields; anywhere if the file is gone.

    A refused row of a file that is there was judged with that file, by its columns.
    """
    return reduce(or_, (_refused_in(site, each) for each in person.everywhere))


def _refused_in(site: Site, person: Person) -> "Column":
    """The same for one source."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def in_json(name: str, values: list[str]) -> "Column":
        return F.trim(F.get_json_object("received", f"$.{name}")).isin(values)

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([person.student_id])
    there = [
        file for source, file in files_below(site.opened.place.landing) if source == person.source
    ]
    anywhere = F.contains(
        F.concat(F.lit(","), "received", F.lit(",")), F.lit(f",{line.getvalue()},")
    )
    if any(layout.document for layout in source_named(person.source).layouts):
        for each in json_texts(person.student_id):
            anywhere = anywhere | F.contains("received", F.lit(each))
    gone = (F.col("stage") == STAGE) & ~F.col("file").isin(there)
    named = F.coalesce(in_json("student_id", [person.student_id]), F.lit(False))  # noqa: FBT003
    work = list(person.work)
    others = {"user_id": [person.student_id], "assignment_id": work, "assignment_log_id": work}
    for name, values in others.items():
        named = named | F.coalesce(in_json(name, values), F.lit(False))  # noqa: FBT003
    return (F.col("source") == person.source) & (named | (gone & anywhere))


def _account(site: Site, person: Person, changed: list[Rewritten]) -> None:
    """Make the account of each changed file fit it, so that ingest knows it and reads it not again.

    Raises:
        BadFile: If the records that stay are not those the tables have.
    """
    of = {each.key: each for each in changed}
    audit = site.read(INGEST_AUDIT).toPandas()
    audit = audit[[(row.source, row.file) in of for row in audit.itertuples()]]
    if audit.empty:
        return
    kept = _rows_of_others(site, person)
    lines = []
    for row in audit.to_dict("records"):
        each = of[row["source"], row["file"]]
        n_kept, n_left = kept.get(each.key, 0), each.removed.n_left
        # not counted in quarantine, where refused rows may be older than their retention
        if not 0 <= n_left - n_kept <= row["rows_quarantined"]:
            raise BadFile(
                redacted("/".join(each.key), person.ids),
                f"{n_left:,} records of others stay in it, but bronze has {n_kept:,}",
                "run ingest_bronze to its end, then erase again",
            )
        now = {
            "content_hash": content_hash(each.new),
            "n_bytes": each.new.stat().st_size,
            "modified_ns": each.new.stat().st_mtime_ns,
            "rows_read": n_left,
            "rows_kept": n_kept,
            "rows_quarantined": n_left - n_kept,
        }
        lines.append({name: now.get(name, row[name]) for name in INGEST_AUDIT.column_names})
    store = site.opened.store
    store.update_matching(INGEST_AUDIT, store.frame(INGEST_AUDIT, pd.DataFrame(lines)))


def _rows_of_others(site: Site, person: Person) -> dict[Key, int]:
    """Rows in bronze by file, but for the student's, whether or not these are still there."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    searched = {each.table.qualified_name: each for each in searches(bronze.TABLES)}
    frames = []
    for table in bronze.TABLES:
        rows = site.read(table)
        search = searched.get(table.qualified_name)
        others = rows.filter(~theirs(search, person)) if search else rows
        frames.append(others.filter(F.col("_source").isin(*person.sources)))
    told = [frame.select("_source", "_file") for frame in frames]
    counted = reduce(lambda a, b: a.unionByName(b), told).groupBy("_source", "_file").count()
    return {(row[0], row[1]): row[2] for row in counted.collect()}


def write_report(folder: Path, report: dict[str, object]) -> Path:
    """Keep the proof of an erasure as a file, whole or not at all."""
    path = folder / f"{report['erasure_id']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"_{path.name}.part")
    partial.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    partial.replace(path)
    return path
