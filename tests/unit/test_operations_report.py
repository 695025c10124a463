"""The section of the report on how the files of tables are."""

import re
from dataclasses import replace

from deepkt_irt.reporting.operations import Operations, TableFiles, TableUpkeep
from deepkt_irt.reporting.run_report import render
from made_up_items import report

BEFORE = TableFiles(
    n_rows=1_200, n_files=40, n_small=40, n_bytes=9_000, stored_bytes=30_000, deleted_share=0.25
)
AFTER = replace(BEFORE, n_files=2, n_small=1, n_bytes=6_000, deleted_share=0.0)
WORN = TableUpkeep(
    name="gold.<worn>",
    expired=7,
    before=BEFORE,
    after=AFTER,
    steps=("optimize", "purge"),
    left_out="analyze: not here",
    care=("another run wrote it meanwhile; the next maintenance does the rest",),
    seconds=2.0,
)
CALM = replace(WORN, name="silver.calm", expired=0, before=AFTER, steps=(), care=())


def section(data):
    page = render(report(operations=data))
    return page.split('<section id="operations">')[1].split("</section>")[0]


def cells(found):
    return [re.sub(r"<[^>]+>", " ", each) for each in re.findall(r"<td[^>]*>(.*?)</td>", found)]


def test_page_names_tables_that_need_care_and_shows_before_and_after():
    found = section(Operations("2026-03-01 02:00 UTC", (WORN, CALM)))

    assert "Looked after last on 2026-03-01 02:00 UTC." in found
    assert "gold.&lt;worn&gt;: another run wrote it meanwhile" in found
    shown = cells(found)
    assert shown[0] == "gold.&lt;worn&gt;"
    assert "7 past retention" in shown[1]
    assert shown[2:8] == ["40 → 2", "40 → 1", "5.9 KiB", "29.3 KiB", "0.0%", "optimize, purge"]
    assert shown[-1] == "nothing to do"
    assert found.count("Not done: analyze: not here.") == 1


def test_page_leaves_open_what_a_catalog_does_not_say():
    unknown = replace(AFTER, stored_bytes=None, deleted_share=None)
    table = replace(CALM, before=unknown, after=unknown, left_out=None)
    found = section(Operations("2026-03-01 02:00 UTC", (table,)))

    assert cells(found)[5:7] == ["\N{EN DASH}"] * 2
    assert "No table needs care." in found
    assert "Not done" not in found
    assert "in storage" not in found


def test_page_of_a_lake_never_looked_after_says_how():
    assert "deepkt maintain" in section(None)
