"""Console script forget_student: erases students from tables, files and logs, and proves it.

What is asked for stands in restricted.erasure_requests until it is done, so that an erasure that
was cut off is completed by the next run. What tells which values are a student's goes last.
"""

import argparse
import importlib.util
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from deepkt_irt.errors import NoData, QualityViolation, UsageError
from deepkt_irt.governance.byte_search import Searched, byte_search
from deepkt_irt.governance.erasure import (
    EMPTIED,
    Learnt,
    Note,
    holds_persons,
    models_that_learnt,
    report,
    retrain_by,
    searches,
)
from deepkt_irt.governance.redaction import is_telling, redacted, whole
from deepkt_irt.jobs.erasing import Person, Request, Site, count, erase, found_in, person_of
from deepkt_irt.jobs.erasing_files import refused_of, rewrite_files, write_report
from deepkt_irt.jobs.models import open_models, trained_models, versions_of
from deepkt_irt.jobs.opening import Target, open_target, parse_as_of, parse_settings
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.jobs.retention import delete_overdue
from deepkt_irt.jobs.scripts import add_model_names, add_settings, target_of
from deepkt_irt.jobs.workspace import refuse_beside_others, workspace_client
from deepkt_irt.reporting.erasure import Proof
from deepkt_irt.session import on_databricks
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables import bronze
from deepkt_irt.tables.bronze import EXTRAS
from deepkt_irt.tables.gold_bandit import BANDIT_REWARDS
from deepkt_irt.tables.ops import PIPELINE_RUNS, QUARANTINE, STOPPED_SOURCES
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.rosters import ROSTER_STUDENTS
from deepkt_irt.tables.silver import ERASURE_REQUESTS, STUDENT_KEYS

log = logging.getLogger(__name__)

_REPORTS = "erasures"
_PURGES_AT_ONCE = 4
_RECOMMENDER = "recommender"
# what an erasure that was cut off starts from
_LAST = (ROSTER_STUDENTS, STUDENT_KEYS, ERASURE_REQUESTS)
# texts that may name a student in rows that are not the student's
_TEXTS = (
    (PIPELINE_RUNS, "error"),
    (STOPPED_SOURCES, "error"),
    *((table, EXTRAS) for table in bronze.TABLES if EXTRAS in table.column_names),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the job: none names a student, as a workspace keeps the parameters of a run."""
    parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")
    add_settings(parser)
    add_model_names(parser)


def forget_student(flags: argparse.Namespace) -> None:
    """Erase students from every table, file and log, and write a proof that names nobody.

    Takes all of restricted.erasure_requests; then deletes what is older than its retention. No
    other task may run meanwhile, since older versions of tables are removed from storage: in a
    workspace it is refused while another job works in these schemas. Safe to run again
    after any failure; it goes on where it stopped. If something still names the student it says
    where, and keeps the request. ops.erasures shows what was found, what is left, and which models
    learnt from the student.
    """
    target = target_of(flags)
    refuse_others = partial(_refuse_others, target)
    refuse_others()
    site = site_of(target, set_=flags.set, as_of=parse_as_of(flags.as_of))
    for proof in forget_all(replace(site, refuse_others=refuse_others), target):
        log.info("erasure %s is proved in %s", proof.report["erasure_id"], proof.path)


def _refuse_others(target: Target) -> None:
    if on_databricks():
        refuse_beside_others(workspace_client(), target, job="forget_student")


def site_of(target: Target, *, set_: list[str], as_of: datetime | None) -> Site:
    """Where erasures of a target work.

    Raises:
        BackendUnavailable: If Spark cannot start or the lake cannot be written.
    """
    at = as_of or datetime.now(UTC).replace(microsecond=0)
    return Site(open_target(target), target.folder, parse_settings(set_), at)


def request_erasure(site: Site, student_id: str, source: str = "", officer: str = "") -> str:
    """Note that a student is to be forgotten; asked for twice, it is one erasure.

    Returns:
        The token of the erasure.

    Raises:
        NoData: If no student has the id, and no source is given whose files may hold it.
        UsageError: If several sources know the id.
    """
    chosen = source_named(source).name if source else _only_source(site, student_id)
    for request in pending(site):
        if (request.source, request.student_id) == (chosen, student_id):
            return request.erasure_id
    erasure_id: str = uuid.uuid4().hex
    row = {
        "erasure_id": erasure_id,
        "source": chosen,
        "student_id": student_id,
        "requested_at": site.as_of,
        "officer": officer or None,
    }
    store = site.opened.store
    store.insert_new(ERASURE_REQUESTS, store.frame(ERASURE_REQUESTS, pd.DataFrame([row])))
    return erasure_id


def _only_source(site: Site, student_id: str) -> str:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    asked = [each.source for each in pending(site) if each.student_id == student_id]
    known = site.read(STUDENT_KEYS).filter(F.trim("student_id") == student_id.strip(" "))
    sources = sorted({*asked, *(row[0] for row in known.select("source").collect())})
    if not sources:
        raise NoData(
            "no student is known by this id, which is that of the source's files; if only files "
            "not read yet hold it, name their source with --source"
        )
    if len(sources) > 1:
        raise UsageError(
            f"students of {', '.join(sources)} have this id; say with --source which is meant"
        )
    return str(sources[0])


def pending(site: Site) -> list[Request]:
    """The requests not concluded yet, oldest first."""
    rows = site.read(ERASURE_REQUESTS).orderBy("requested_at", "erasure_id").collect()
    return [
        Request(
            r["erasure_id"], r["source"], r["student_id"], in_utc(r["requested_at"]), r["officer"]
        )
        for r in rows
    ]


def forget_all(site: Site, target: Target) -> list[Proof]:
    """Carry out every request, then delete what is older than its retention.

    Raises:
        QualityViolation: If something still names a student.
    """
    proofs = [_forget(site, target, request) for request in pending(site)]
    # also where a run was cut off after its last request was deleted
    site.opened.store.purge(ERASURE_REQUESTS)
    for name, n in delete_overdue(site).items():
        log.info("%s: %d rows were older than their retention", name, n)
    return proofs


def _forget(site: Site, target: Target, request: Request) -> Proof:
    person = person_of(site, request)
    plan = searches(TABLES)
    if not any(note.phase == "found" for note in site.notes(request)):
        site.note(request, _inventory(site, target, person))
    log.info("erasure %s: what is there is noted", request.erasure_id)
    site.note(request, rewrite_files(site, person))
    for search in plan:
        if search.table not in _LAST:
            erase(site, search, person)
    _mask_texts(site, person)
    for table in EMPTIED:
        site.opened.store.empty(table)
    told = [table for table in TABLES if table not in _LAST and holds_persons(table)]
    site.refuse_others()  # once more: a job may have started meanwhile
    with ThreadPoolExecutor(_PURGES_AT_ONCE) as pool:  # each mostly waits for small Spark jobs
        list(pool.map(site.opened.store.purge, told))
    log.info("erasure %s: rows are deleted and purged", request.erasure_id)
    site.note(request, _left(site, person))
    site.note(request, _erased_keys(site, person))
    return _conclude(site, request, person)


def _inventory(site: Site, target: Target, person: Person) -> list[Note]:
    """What is there of the student before anything is deleted, and which models learnt of it."""
    found = [
        Note("found", each.table.qualified_name, count(site, each, person), found_in(each))
        for each in searches(TABLES)
    ]
    refused = site.read(QUARANTINE).filter(refused_of(site, person)).count()
    found.append(Note("found", QUARANTINE.qualified_name, refused, "fields of the row received"))
    rewarded = any(n.place == BANDIT_REWARDS.qualified_name and n.n for n in found)
    return [*found, *_models(site, target, person, rewarded=rewarded)]


def _models(site: Site, target: Target, person: Person, *, rewarded: bool) -> list[Note]:
    if importlib.util.find_spec("mlflow") is None:
        return [Note("model", "registry", None, "not asked, as MLflow is not installed here")]
    try:
        models = open_models(target)
    except NoData:
        return []
    named = [name for name in trained_models() if name != _RECOMMENDER or rewarded]
    versions = [
        Learnt(each.version.model, each.version.number, each.registered_at)
        for each in versions_of(models, named)
    ]
    due = retrain_by(site.as_of, within_days=site.settings.privacy.retrain_within_days)
    learnt = {
        version: what
        for each in person.everywhere
        for version, what in models_that_learnt(
            versions, split=each.split, known_since=each.known_since
        )
    }
    return [
        Note(
            "model",
            f"{version.model} version {version.number}",
            None,
            "learnt from the student's rewards" if version.model == _RECOMMENDER else what,
            due,
        )
        for version, what in learnt.items()
    ]


def _mask_texts(site: Site, person: Person) -> None:
    """Mask the student in error lines, and in columns of others' rows that nobody knows."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    values, store = list(_texts(person).values()), site.opened.store
    named = "|".join(map(whole, values))
    for table, column in _TEXTS if values else ():
        if store.exists(table):
            lines = site.read(table).filter(F.col(column).rlike(named)).toPandas()
            if not lines.empty:
                lines[column] = [redacted(text, values) for text in lines[column]]
                store.update_matching(table, store.frame(table, lines))


def _texts(person: Person) -> dict[str, str]:
    """What can be looked for in any text, each text once."""
    texts = {"student key": person.key or "", "student id": person.student_id}
    for each in person.also:
        texts[f"student key in {each.source}"] = each.key or ""
        texts[f"student id in {each.source}"] = each.student_id
    labels: dict[str, str] = {}
    for label, text in texts.items():
        labels.setdefault(text, label)
    return {label: text for text, label in labels.items() if is_telling(text)}


def _left(site: Site, person: Person) -> list[Note]:
    """Search everything again but the tables that go last.

    Raises:
        QualityViolation: If something still names the student.
    """
    left = [
        Note("left", each.table.qualified_name, count(site, each, person), found_in(each))
        for each in searches(TABLES)
        if each.table not in _LAST
    ]
    refused = site.read(QUARANTINE).filter(refused_of(site, person)).count()
    left.append(Note("left", QUARANTINE.qualified_name, refused, "fields of the row received"))
    place = site.opened.place
    volumes = [place.landing, place.checkpoints, place.report_path.parent]
    folders = [site.lake] if site.lake else volumes
    searched = byte_search(folders, _texts(person), besides=_folders_of_last(site))
    _refuse_named([note.place for note in left if note.n], searched, person)
    return [*left, _of_search(searched, person)]


def _folders_of_last(site: Site) -> list[Path]:
    return [folder for table in _LAST if (folder := site.opened.store.folder(table))]


def _refuse_named(tables: list[str], searched: Searched, person: Person) -> None:
    still = tables + [f"{hit.path} ({hit.label}, {hit.inside})" for hit in searched.hits]
    if still:
        raise QualityViolation(
            "erasure",
            f"{len(still)} places still name the student: "
            f"{redacted('; '.join(still[:10]), _texts(person).values())}; delete these files, or "
            "let the task that writes them end, and run it again",
        )


def _of_search(searched: Searched, person: Person) -> Note:
    labels = (
        " and ".join(_texts(person)) or "nothing, as the id is too short to be told from others"
    )
    what = f"{searched.n_files:,} files of {searched.n_bytes:,} bytes, searched for {labels}"
    return Note("left", "files", len(searched.hits), what)


def _erased_keys(site: Site, person: Person) -> list[Note]:
    """Delete the rows in which ids and keys meet, when nothing else is left.

    What the request starts from goes last: a roster's id leads to keys, a key to a roster's id.
    """
    plan = {each.table: each for each in searches(TABLES)}
    order = (ROSTER_STUDENTS, STUDENT_KEYS) if person.key else (STUDENT_KEYS, ROSTER_STUDENTS)
    for table in order:
        erase(site, plan[table], person)
        site.opened.store.purge(table)
    return [
        Note("left", table.qualified_name, count(site, plan[table], person), found_in(plan[table]))
        for table in order
    ]


def _conclude(site: Site, request: Request, person: Person) -> Proof:
    """Write the proof, then drop the request with all its older versions.

    Raises:
        QualityViolation: If the tables of keys and requests still name the student.
    """
    store = site.opened.store
    made = report(
        request.erasure_id,
        site.notes(request),
        requested_at=request.requested_at,
        officer=request.officer,
    )
    path = write_report(site.opened.place.report_path.parent / _REPORTS, made)
    site.note(request, [Note("concluded", "report", None, f"sha256 {made['sha256']}")])
    store.delete_matching(ERASURE_REQUESTS, site.rows([(request.erasure_id,)], "erasure_id"))
    store.purge(ERASURE_REQUESTS)
    _refuse_named([], byte_search(_folders_of_last(site), _texts(person)), person)
    return Proof(made, path)
