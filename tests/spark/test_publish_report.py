"""The task publish_report: the page of an empty lake, and of one with a flagged item."""

from datetime import timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.publish_report import publish_report
from deepkt_irt.jobs.report_parts import SHOWN_FILES
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.gold_items import ITEM_HEALTH
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.silver import ITEMS
from looking import filled

pytestmark = pytest.mark.spark


def test_publish_report_of_an_empty_lake_says_what_is_not_there(context):
    ready = context(TASKS["publish_report"])

    publish_report(ready)

    page = ready.report_path.read_text()
    for said in (
        "No item has been calibrated.",
        "The health of items has not been checked.",
        "Not known: nothing is calibrated",
        "No mastery has been estimated.",
    ):
        assert said in page


def test_publish_report_shows_flagged_items_on_pages_of_their_own(context, store, frame):
    item = {"item_id": "s:q1", "source_item_id": "q1", "title": "Halves", "skill_ids": []}
    found = {"item_id": "s:q1", "status": "act", "reasons": ["12% never answered"],
             "suggested_action": "shorten it", "n_responses": 40}  # fmt: skip
    for table, row in ((ITEMS, item), (ITEM_HEALTH, found)):
        store.overwrite(table, frame(table, [filled(table, row)]))
    ready = context(TASKS["publish_report"])

    publish_report(ready)

    page = ready.report_path.read_text()
    assert '<a href="#item-1">Halves</a>' in page
    assert page.count("12% never answered") == 2  # in the table and on its page
    assert "No window has been checked." in page


def test_publish_report_names_a_champion_that_was_evaluated_earlier(context, store, frame):
    rows = [
        filled(MODEL_EVALUATIONS, {
            "evaluation_id": f"e{n}", "evaluated_at": AS_OF + timedelta(days=n), "auc": auc,
            "model_name": "sakt", "model_version": str(n), "is_champion": n == 1,
            "mlflow_run_id": "0123456789", "calibration": [],
        })
        for n, auc in ((1, 0.74), (2, 0.71))
    ]  # fmt: skip
    store.overwrite(MODEL_EVALUATIONS, frame(MODEL_EVALUATIONS, rows))
    ready = context(TASKS["publish_report"])

    publish_report(ready)

    page = " ".join(ready.report_path.read_text().split())
    assert "0.710" in page
    assert "Champion is version 1, whose AUC was 0.740 when it was evaluated." in page


def test_publish_report_shows_the_files_that_came_in_last(context, store, frame):
    rows = [
        filled(INGEST_AUDIT, {"source": "s", "file": f"day-{n:02}.csv",
                              "rows_read": n, "rows_kept": n,
                              "rows_quarantined": 0, "ingested_at": AS_OF + timedelta(days=n)})
        for n in range(SHOWN_FILES + 1)
    ]  # fmt: skip
    store.overwrite(INGEST_AUDIT, frame(INGEST_AUDIT, rows))
    ready = context(TASKS["publish_report"])

    publish_report(ready)

    page = ready.report_path.read_text()
    assert f"The {SHOWN_FILES} of {SHOWN_FILES + 1} files that came in last." in page
    assert "day-01.csv" in page
    assert "day-00.csv" not in page
