"""A student is erased from every table and file, others stay, and a cut erasure is completed."""

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import AS_OF, rows
from deepkt_irt.errors import NoData, QualityViolation, UsageError
from deepkt_irt.governance.erasure import report_hash
from deepkt_irt.jobs import erasing, erasing_files, forget_student
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.forget_student import forget_all, pending, request_erasure
from deepkt_irt.jobs.opening import Opened, Target
from deepkt_irt.jobs.retention import delete_overdue
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings, SimulatorSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.simulator import simulate, write_district
from deepkt_irt.tables.bronze import RAW_ACTION_LOGS, RAW_PROBLEM_DETAILS, RAW_RESPONSES
from deepkt_irt.tables.ops import ERASURES, INGEST_AUDIT, PIPELINE_RUNS, QUARANTINE
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    CANONICAL_RESPONSES,
    ERASURE_REQUESTS,
    STUDENT_KEYS,
    USERS,
)
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

ANN, BEN, CAT = "ann-4711", "ben-4712", "ann-47110"  # one id begins as another
N_KEPT = 7  # rows of the student in bronze
HEADER = "user_id,item_id,correct,seq_pos,mood\n"
FIRST = HEADER + "".join(
    [
        *(f"{who},i{n},{n % 2},{n},so ann-ish\n" for n in range(1, 5) for who in (ANN, BEN, CAT)),
        f"{ANN},i9,7,9,\n",  # refused: neither right nor wrong
        f"{BEN},i9,7,9,\n",
        f"i9,{ANN},1\n",  # refused: too few fields, in which the id stands anywhere
        f"{ANN},i1,1,1,so ann-ish\n",  # no event: given before
        f'{BEN},i8,1,8,"two\nlines"\n',
    ]
)
SECOND = HEADER + f" {ANN} ,i5,1,5,\n{BEN},i5,1,5,\n"  # blanks around the id
ONLY_ANN = HEADER + f"{ANN},i6,1,6,\n"


class Cut(RuntimeError):
    """Stands for a process that dies here."""


def run(spark, lake, *names):
    runner = Runner(spark, TableStore(spark, lake=lake), Place.of_lake(lake), Settings(), AS_OF)
    runner.run([TASKS[name] for name in names])


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory) -> Path:
    """A lake whose files were read and made into events once."""
    folder = tmp_path_factory.mktemp("made")
    data, lake = folder / "data", folder / "lake"
    data.mkdir()
    (data / "first.csv").write_text(FIRST)
    (data / "second.csv.gz").write_bytes(gzip.compress(SECOND.encode()))
    (data / "third.csv").write_text(ONLY_ANN)
    land(source_named("responses_csv"), data, lake / "landing", mapping=None)
    run(spark, lake, "ingest_bronze", "transform_silver")
    return lake


def site_of(spark, lake: Path) -> erasing.Site:
    opened = Opened(spark, TableStore(spark, lake=lake), Place.of_lake(lake))
    return erasing.Site(opened, lake, Settings(), AS_OF)


@pytest.fixture
def site(spark, made, tmp_path):
    """A copy of the lake, to be worked in."""
    return site_of(spark, shutil.copytree(made, tmp_path / "lake"))


def key_of(site, student_id):
    known = dict(rows(site.read(STUDENT_KEYS), "student_id", "student_key"))
    return known[student_id]


def forget(site, student_id=ANN, **more):
    request_erasure(site, student_id, **more)
    (proof,) = forget_all(site, Target(lake=site.lake))
    return proof


def contents(lake: Path) -> Iterator[tuple[Path, str]]:
    """Everything a lake holds, as text: names, bytes, unpacked bytes, values."""
    for path in lake.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, path.name
            yield path, content.decode("latin-1")
            if path.suffix == ".gz":
                yield path, gzip.decompress(content).decode()
            if path.suffix == ".parquet":
                yield path, json.dumps(pq.read_table(path).to_pylist(), default=str)


def places_with(lake: Path, text: str) -> set[str]:
    """Files that hold a text, also as a part of a longer one, but for the longer id's own."""
    return {
        str(path.relative_to(lake))
        for path, content in contents(lake)
        if text in content.replace(CAT, "")
    }


def all_rows(store, besides=(), *, without=frozenset()):
    """Rows of every table as text, less those that hold one of some texts."""
    found = {}
    for table in TABLES:
        if store.exists(table) and table not in besides:
            texts = map(str, store.read(table).collect())
            found[table.qualified_name] = sorted(
                text for text in texts if not any(x in text.replace(CAT, "") for x in without)
            )
    return found


CHANGED = (PIPELINE_RUNS, INGEST_AUDIT, ERASURES, ERASURE_REQUESTS, CANONICAL_RESPONSES)


@dataclass
class Erased:
    """A lake from which a student was erased, and what it held before."""

    site: erasing.Site
    key: str
    others: dict[str, list[str]]
    proof: dict[str, Any]

    @property
    def lake(self) -> Path:
        return self.site.lake


@pytest.fixture(scope="module")
def erased(spark, made, tmp_path_factory) -> Erased:
    """What the console script leaves after an officer asked for it."""
    site = site_of(spark, shutil.copytree(made, tmp_path_factory.mktemp("erased") / "lake"))
    store, key = site.opened.store, key_of(site, ANN)
    runs = site.read(PIPELINE_RUNS).toPandas().head(1)
    runs["task"], runs["error"], runs["outcome"] = "x", f"no room for {ANN}; {CAT}", "failed"
    store.append(PIPELINE_RUNS, store.frame(PIPELINE_RUNS, runs), app_id="x", version=1)
    assert len(places_with(site.lake, key)) > 3
    assert len(places_with(site.lake, ANN)) > 4
    others = all_rows(store, CHANGED, without={ANN, key})
    request_erasure(site, ANN, officer="P. Officer")

    script = SCRIPTS["forget_student"]
    script.run(script.parser().parse_args(["--lake", str(site.lake)]))

    site = site_of(spark, site.lake)  # opened anew: the script made tables
    assert pending(site) == []
    (path,) = (site.lake / "erasures").glob("*.json")
    return Erased(site, key, others, json.loads(path.read_text()))


def test_erased_student_stands_nowhere(erased):
    assert places_with(erased.lake, ANN) == set()
    assert places_with(erased.lake, erased.key) == set()


def test_rows_of_others_are_as_before(erased):
    assert all_rows(erased.site.opened.store, CHANGED) == erased.others
    assert erased.others[USERS.qualified_name]
    assert {row[0] for row in rows(erased.site.read(STUDENT_KEYS), "student_id")} == {BEN, CAT}


def test_landing_files_keep_every_other_byte(erased):
    folder = erased.lake / "landing" / "responses_csv"
    theirs = (f"{ANN},", f"i9,{ANN}")
    kept = [line for line in FIRST.splitlines(keepends=True) if not line.startswith(theirs)]
    assert (folder / "first.csv").read_text() == "".join(kept)
    assert gzip.decompress((folder / "second.csv.gz").read_bytes()).decode() == (
        HEADER + f"{BEN},i5,1,5,\n"
    )
    assert (folder / "third.csv").read_text() == HEADER
    assert not list(folder.glob("_*.erasing"))


def test_errors_of_earlier_runs_are_masked(erased):
    (told,) = erased.site.read(PIPELINE_RUNS).filter("task = 'x'").select("error").collect()
    assert told.error == f"no room for [erased]; {CAT}"


def test_proof_names_nobody_counts_before_and_after_and_carries_its_hash(erased):
    told = erased.proof
    assert told["signed_off_by"] == "P. Officer"
    assert told["sha256"] == report_hash(told)
    assert report_hash({**told, "signed_off_by": "somebody else"}) != told["sha256"]
    found = {line["place"]: line["n"] for line in told["found"]}
    left = {line["place"]: line["n"] for line in told["left"]}
    assert found[CANONICAL_LEARNING_EVENTS.qualified_name] == 6
    assert found[RAW_RESPONSES.qualified_name] == N_KEPT
    assert found.keys() <= left.keys()
    assert set(left.values()) == {0}
    (concluded,) = erased.site.read(ERASURES).filter("phase = 'concluded'").collect()
    assert concluded.detail == f"sha256 {told['sha256']}"


@pytest.mark.nightly
def test_next_run_takes_nothing_in_and_brings_nobody_back(spark, erased, tmp_path):
    lake = shutil.copytree(erased.lake, tmp_path / "lake")
    version = erased.site.opened.store.version(RAW_RESPONSES)

    run(spark, lake, "ingest_bronze", "transform_silver")

    store = TableStore(spark, lake=lake)
    assert store.version(RAW_RESPONSES) == version
    events = CANONICAL_LEARNING_EVENTS.qualified_name
    assert all_rows(store)[events] == erased.others[events]
    assert {row[0] for row in rows(store.read(STUDENT_KEYS), "student_id")} == {BEN, CAT}
    accounts = rows(store.read(INGEST_AUDIT), "file", "rows_read", "rows_kept", "rows_quarantined")
    assert accounts == [
        ("first.csv", 10, 9, 1),
        ("second.csv.gz", 1, 1, 0),
        ("third.csv", 0, 0, 0),
    ]


@pytest.mark.nightly
def test_cut_off_anywhere_the_next_run_completes_it(site, monkeypatch):
    store, key = site.opened.store, key_of(site, ANN)
    others = all_rows(store, CHANGED, without={ANN, key})
    request_erasure(site, ANN)
    for place, name, at_end in (
        (erasing_files, "_forget_refused", False),
        (erasing_files, "_account", True),
        (Path, "replace", True),
        (TableStore, "purge", True),
        (forget_student, "_left", True),
        (forget_student, "_erased_key", True),
        (forget_student, "write_report", True),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, cut(getattr(place, name), at_end=at_end))
            with pytest.raises(Cut):
                forget_all(site, Target(lake=site.lake))
    with monkeypatch.context() as patched:
        whole = TableStore.delete_matching
        patched.setattr(TableStore, "delete_matching", cut(whole, at_end=True))
        with pytest.raises(Cut):  # all else is gone, so this is the request itself
            forget_all(site, Target(lake=site.lake))
    assert pending(site) == []
    forget_all(site, Target(lake=site.lake))

    assert places_with(site.lake, ANN) | places_with(site.lake, key) == set()
    assert all_rows(store, CHANGED) == others
    found = {r.place: r.n for r in site.read(ERASURES).filter("phase = 'found'").collect()}
    assert found[RAW_RESPONSES.qualified_name] == N_KEPT  # as the first attempt found it
    (path,) = (site.lake / "erasures").glob("*.json")
    told = json.loads(path.read_text())
    (concluded,) = site.read(ERASURES).filter("phase = 'concluded'").collect()
    assert concluded.detail == f"sha256 {told['sha256']}"


def cut(function, *, at_end):
    def cut_off(*arguments, **named):
        if at_end:
            function(*arguments, **named)
        raise Cut

    return cut_off


@pytest.mark.nightly
def test_something_else_that_names_the_student_is_told_and_keeps_the_request(site):
    (site.lake / "notes.txt").write_text(f"ask {ANN} on Monday")

    with pytest.raises(QualityViolation, match=r"notes\.txt \(student id, bytes\)") as refused:
        forget(site)

    assert ANN not in str(refused.value)
    assert [request.student_id for request in pending(site)] == [ANN]
    assert ANN in {row[0] for row in rows(site.read(STUDENT_KEYS), "student_id")}


def test_unknown_and_ambiguous_students_are_refused_and_asked_for_twice_it_is_one(site):
    with pytest.raises(NoData, match="no student is known by this id") as unknown:
        request_erasure(site, "who-0000")
    assert "who-0000" not in str(unknown.value)

    store = site.opened.store
    twin = store.read(STUDENT_KEYS).filter(f"student_id = '{ANN}'").toPandas()
    twin["source"], twin["student_key"] = "rest_api", "k"
    store.insert_new(STUDENT_KEYS, store.frame(STUDENT_KEYS, twin))
    with pytest.raises(UsageError, match="responses_csv, rest_api have this id"):
        request_erasure(site, ANN)
    assert pending(site) == []

    assert request_erasure(site, ANN, "rest_api") == request_erasure(site, ANN, "rest_api")


@pytest.mark.nightly
def test_logs_of_actions_and_tests_go_with_the_assignments(spark, tmp_path):
    lake, data = tmp_path / "lake", tmp_path / "data"
    district = simulate(SimulatorSettings(n_students=12, n_items=24, seed=3))
    write_district(district, data, truth_folder=lake / "truth")
    land(source_named("simulator"), data, lake / "landing", mapping=None)
    run(spark, lake, "ingest_bronze", "transform_silver")
    site = site_of(spark, lake)
    victim = sorted(district.truth_students["student_id"])[0]
    details = district.assignment_details
    logs = details.loc[details["student_id"] == victim, "assignment_log_id"]
    key, before = key_of(site, victim), site.read(RAW_ACTION_LOGS).count()

    proof = forget(site, victim)

    assert [places_with(lake, text) for text in (victim, key, *logs.head(3))] == [set()] * 5
    theirs = district.action_logs["assignment_log_id"].isin(logs).sum()
    assert site.read(RAW_ACTION_LOGS).count() == before - theirs < before
    assert {line["place"] for line in proof.report["rewritten"]} >= {
        "simulator/action_logs.csv",
        "truth/truth_students.csv",
    }


def test_rows_older_than_their_retention_go(site):
    assert delete_overdue(site) == {}
    refused = site.read(QUARANTINE).count()
    later = replace(site, as_of=AS_OF + timedelta(days=366))

    assert delete_overdue(later) == {QUARANTINE.qualified_name: refused}
    assert site.read(QUARANTINE).isEmpty()


def test_student_in_a_column_that_nobody_knows_is_masked_and_the_row_stays(spark, store, frame):
    came = {"_source": "edm_cup", "_file": "p.csv", "_batch_id": 0, "_ingested_at": AS_OF}
    told = {"p1": f'{{"by": "{ANN}"}}', "p2": f'{{"by": "{CAT}"}}', "p3": None}
    problems = [
        {"problem_id": name, "extras": extras, "_row": n, **came}
        for n, (name, extras) in enumerate(told.items())
    ]
    store.append(RAW_PROBLEM_DETAILS, frame(RAW_PROBLEM_DETAILS, problems), app_id="a", version=1)
    lake = store.folder(RAW_PROBLEM_DETAILS).parents[2]
    site = erasing.Site(Opened(spark, store, Place.of_lake(lake)), lake, Settings(), AS_OF)
    person = erasing.Person("edm_cup", ANN, None, None, None, ())

    forget_student._mask_texts(site, person)

    found = rows(store.read(RAW_PROBLEM_DETAILS).na.fill(""), "problem_id", "extras")
    assert found == [("p1", '{"by": "[erased]"}'), ("p2", told["p2"]), ("p3", "")]
