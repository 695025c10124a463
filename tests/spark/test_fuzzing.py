"""Damaged files of two sources through the ingest: the tables hold what the reader accounts for."""

from collections import Counter

import pytest

from accounting import account_of
from conftest import rows
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables.bronze import RAW_RESPONSES, RAW_STATEMENTS
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE
from made_up_sources import files
from mutations import seeded

pytestmark = pytest.mark.spark


def damaged(folder, source, seeds):
    """Damaged files of a source of which a row can be used, with their accounts."""
    folder.mkdir(parents=True)
    ((name, text),) = files(source).items()
    found = {}
    for seed in seeds:
        made = seeded(seed, f"n{seed}-{name}", text.encode())
        path = folder / made.name
        path.write_bytes(made.content)
        account = account_of(source, path)
        if account.kept:
            found[source.name, path.name] = account
        else:  # it would stop its source
            path.unlink()
    return found


@pytest.mark.nightly
def test_tables_hold_what_damaged_files_are_accounted_for(context, store):
    ctx = context(TASKS["ingest_bronze"])
    expected = {}
    for name in ("responses_csv", "xapi"):
        expected |= damaged(ctx.landing / name, source_named(name), range(60))
    assert sum(each.quarantined > 0 for each in expected.values()) > 5

    metrics = ingest_bronze(ctx)

    assert metrics["sources_stopped"] == 0
    counts = ("rows_read", "rows_kept", "rows_quarantined")
    found = {name: Counter() for name in counts}
    for source, file, *told in rows(store.read(INGEST_AUDIT), "source", "file", *counts):
        for name, n in zip(counts, told, strict=True):
            found[name][source, file.partition("/")[0]] += n
    assert found["rows_read"] == Counter({key: each.read for key, each in expected.items()})
    assert found["rows_kept"] == Counter({key: each.kept for key, each in expected.items()})
    quarantined = {key: each.quarantined for key, each in expected.items()}
    assert found["rows_quarantined"] == Counter(quarantined)
    kept = store.read(RAW_RESPONSES).count() + store.read(RAW_STATEMENTS).count()
    assert kept == sum(each.kept for each in expected.values())
    assert store.read(QUARANTINE).count() == sum(quarantined.values())
