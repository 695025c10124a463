"""The task publish_report: the page of an empty lake, and of one with a flagged item."""

import pytest

from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.publish_report import publish_report
from deepkt_irt.tables.gold_items import ITEM_HEALTH
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
