"""The report page from invented data: what it says, what it links, and that its charts are SVG."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.reporting import item_charts, svg
from deepkt_irt.reporting.explanation_report import (
    ExplanationReport,
    Outcomes,
    Retrieval,
    SearchFigures,
    Spending,
)
from deepkt_irt.reporting.item_data import Attention
from deepkt_irt.reporting.report_data import StreamNote
from deepkt_irt.reporting.run_report import render
from deepkt_irt.reporting.source_report import ColumnChange, SourceReport, StoppedSource
from made_up_items import (
    ATTENTION,
    DOTS,
    GRADED,
    ONE_PL,
    THREE_PL,
    WINDOWS,
    full_report,
    report,
    window,
)


def section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def drawn(markup):
    """A chart, parsed, with all its titles."""
    root = ET.fromstring(str(markup))  # noqa: S314 - our own
    return root, [title.text for title in root.iter("title")]


def shapes(root, tag):
    return [each for each in root.iter(tag) if each.find("title") is not None]


def test_page_names_flagged_items_with_reasons_and_action():
    found = section(render(full_report()), "attention")

    assert "Which is &lt;larger&gt;?" in found
    assert "harder than calibrated by 0.7 logits" in found
    assert "see what changed: wording" in found
    assert found.index("■ act</td>") < found.index("▲ watch</td>")
    tiles = re.findall(r"<b>([\d,]+)</b><span>(.+?)</span>", found)
    assert tiles == [
        ("1", "■ act"),
        ("1", "▲ watch"),
        ("148", "● good"),
        ("10", "○ too little data"),
    ]


def test_page_says_how_long_files_waited_for_the_stream():
    note = StreamNote(40, 60, 61_500, 12, 9.8, 41.2, "2026-03-01 01:52")

    said = " ".join(section(render(report(streaming=note)), "data").split())

    assert "40 rounds took in 60 files with 61,500 rows, the last at 2026-03-01 01:52 UTC" in said
    assert "10 s in the middle, 41 s at worst. 12 events came in late" in said
    assert "the stream" not in section(render(report()), "data")


def test_page_says_how_many_more_are_flagged():
    more = replace(ATTENTION, counts=(("act", 40), ("watch", 160), *ATTENTION.counts[2:]))

    assert "The 2 worst of 200." in render(report(attention=more))
    assert "worst of" not in render(report(attention=ATTENTION))


def test_page_links_lead_to_pages_that_are_there():
    page = render(full_report())

    wanted = re.findall(r'href="#([^"]+)"', page)
    assert {"item-1", "item-2"} <= set(wanted)
    assert [each for each in wanted if f'id="{each}"' not in page] == []


def test_page_of_an_item_shows_its_evidence():
    found = section(render(full_report()), "item-pages")

    first, graded, bare = found.split('<details class="page"')[1:]
    assert "<dt>guessing</dt><dd>0.18 (95%: 0.12 to 0.24)</dd>" in first
    assert "Change of difficulty by window: 3 of 6 windows flagged" in first
    assert "group blue: class C" in first
    assert "● right" in first
    assert "steps of the score" in graded
    assert "No window has enough responses." in graded
    assert "Not calibrated." in bare
    assert "No window has been checked." in bare
    assert "not checked" in bare


def test_page_says_which_items_are_missing():
    found = section(render(full_report()), "missing")

    assert "short for 2 more bands" in found
    assert ">0 to +1<" in found
    assert [len(row) for row in re.findall(r"0.92|(?<=>)\N{EN DASH}(?=<)", found)] == [4, 1]


def test_page_says_how_the_calibration_was_linked():
    data = full_report()
    found = section(render(data), "items")
    assert "On the scale of version 20260201T020000Z" in found
    assert "(stocking lord) by 90 items, 4 left out" in found

    alone = replace(data.calibration, reference=None, refusal="only 3 anchors")
    found = section(render(replace(data, calibration=alone)), "items")
    assert "not comparable with earlier versions: only 3 anchors." in found
    found = section(render(replace(data, calibration=replace(alone, refusal=None))), "items")
    assert "On a scale of its own.</p>" in found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("items", "No item has been calibrated."),
        ("attention", "The health of items has not been checked."),
        ("curves", "Too few first attempts"),
        ("item-pages", "No item has been calibrated or flagged."),
        ("missing", "Not known: nothing is calibrated"),
        ("explanations", "Nothing has been explained yet."),
        ("explanations", "Not measured: too few questions"),
    ],
)
def test_empty_report_says_what_is_not_there(name, said):
    assert said in section(render(report()), name)


def test_page_says_how_explanations_came_out_and_how_their_material_is_found():
    figures = SearchFigures("hybrid", (0.75, 0.926, 1.0), (0.84, 0.97), 0.832, 0.688)
    told = ExplanationReport(
        outcomes=(
            Outcomes("student", 40, 30, 4, 5.23, 8.0),
            Outcomes("teacher", 40, 36, 0, 9.81, 12.4),
        ),
        reasons=(("the <model> refused", 9), ("the service did not answer", 5)),
        spending=Spending("2026-03-01 02:07", 91, 77, 123_456, 0.23451),
        retrieval=Retrieval(
            "2026-03-01 01:00 UTC", "held out questions", "abc", "lsa", 68, 330, (figures,)
        ),
    )
    found = section(render(report(explanations=told)), "explanations")

    cells = re.findall(r"<td[^>]*>([^<]*)</td>", found)
    assert cells[:6] == ["student", "40", "75.0%", "10.0%", "5.2", "8.0"]
    assert "the &lt;model&gt; refused" in cells
    assert "sent 91 requests" in found
    assert "123,456 tokens, 0.2345 US dollars" in found
    assert cells[-7:] == ["hybrid", "0.750", "0.926", "0.84 to 0.97", "1.000", "0.832", "0.688"]
    unasked = replace(told, spending=None, reasons=())
    found = section(render(report(explanations=unasked)), "explanations")
    assert "No model was ever asked." in found
    assert "None is." in found


def test_page_says_loudly_which_sources_are_stopped_and_what_columns_did():
    sources = SourceReport(
        stopped=(StoppedSource("edm_cup", "2026-03-01 02:00 UTC", "a.csv: <x> is missing; mend"),),
        changes=(
            ColumnChange("s", "*.csv", "ms", "of another type", "2026-03-01/b.csv", 0.621),
            ColumnChange("s", "*.csv", "mood", "added", "b.csv", 0.0),
        ),
    )
    page = render(report(sources=sources))

    head = page.split('<section id="data">')[0]
    assert "Not all data is here." in head
    assert "<b>edm_cup</b>, since 2026-03-01 02:00 UTC: a.csv: &lt;x&gt; is missing; mend" in head
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section(page, "data"))
    assert cells[:6] == ["s", "*.csv", "ms", "of another type", "62%", "2026-03-01/b.csv"]
    quiet = render(report())
    assert "Not all data is here." not in quiet
    assert "No column came, went or changed its type." in section(quiet, "data")


def test_report_without_flagged_items_or_gaps_says_so():
    calm = Attention((("act", 0), ("watch", 0), ("good", 9), ("insufficient_data", 0)), ())
    page = render(report(attention=calm, missing_items=()))

    assert "No item is to be watched or acted on." in section(page, "attention")
    assert "Every practised skill has items enough" in section(page, "missing")


def test_page_is_one_file_and_the_same_each_time():
    page = render(full_report())

    assert page == render(full_report())
    assert re.findall(r"<script[^>]*>", page) == ["<script>"]
    assert not re.search(r'(src|href)="(?!#)', page)
    assert not re.search(r"url\(|@import", page)
    assert "<larger>" not in page


def test_every_chart_of_the_page_is_svg_with_a_title():
    charts = re.findall(r"<svg.*?</svg>", render(full_report()), re.DOTALL)

    assert len(charts) >= 7
    assert [each for each in charts if not drawn(each)[0].findtext("title")] == []


def test_curve_goes_through_the_models_chances():
    root, _ = drawn(item_charts.item_curve(THREE_PL, DOTS))

    points = [
        tuple(map(float, point.split(","))) for point in root.find("polyline").get("points").split()
    ]
    x, y = svg.Scale(-3, 3, 44, 290), svg.Scale(0, 1, 190, 14)
    at_b = min(points, key=lambda point: abs(point[0] - x(0.5)))
    expected = 0.18 + 0.82 / (1 + math.exp(-1.31 * (0.5 - 0.52)))
    assert at_b == pytest.approx((x(0.5), y(expected)), abs=0.1)
    assert points[0][1] > y(0.2)  # towards the asymptote, not 0


def test_curve_shows_guessing_only_where_it_was_estimated():
    assert "guessing 0.18" in item_charts.item_curve(THREE_PL, ())
    assert "guessing" not in item_charts.item_curve(ONE_PL, ())


def test_curve_of_a_graded_item_speaks_of_credit_and_marks_each_step():
    root, titles = drawn(item_charts.item_curve(GRADED, DOTS))

    assert titles[0].startswith("Expected share of credit on Explain it")
    assert [t for t in titles if t.startswith("step ")] == [
        f"step {k} of the score" for k in (1, 2, 3)
    ]
    assert "55% mean credit of 40 students" in titles[-3]
    assert len(shapes(root, "circle")) == len(DOTS)


def test_curve_makes_room_for_dots_and_difficulties_far_out():
    far = replace(DOTS[0], ability=-5.2)
    root, _ = drawn(item_charts.item_curve(ONE_PL, (far,)))

    (dot,) = shapes(root, "circle")
    assert 44 < float(dot.get("cx")) < 290
    assert "-6" in [text.text for text in root.iter("text")]


def test_timeline_gives_each_status_a_shape_of_its_own():
    marks = {
        status: re.sub(r"<title>.*", "", svg.status_mark(status, 0, 0, status))
        for status in ("stable", "watch", "act", "insufficient_data")
    }
    plain = {re.sub(r'(fill|stroke)="[^"]*"', "", mark) for mark in marks.values()}

    assert len(plain) == 4


def test_timeline_tells_every_window_and_the_cuts():
    root, titles = drawn(item_charts.drift_timeline(WINDOWS, (0.3, 0.5)))

    by_window = [title for title in titles if " to 20" in title]
    assert len(by_window) == len(WINDOWS)
    assert by_window[2] == "2025-10-27 to 2025-11-24: 12 responses, too few"
    assert "+0.62 logits (95%: +0.31 to +0.93), 120 responses, act" in by_window[4]
    words = [text.text for text in root.iter("text")]
    assert {"watch ±0.3", "act ±0.5", "harder", "easier", "calibrated anew"} <= set(words)
    assert len(list(root.iter("polyline"))) == 1  # the shift


def test_timeline_puts_harder_above_and_cuts_at_its_edge():
    high = window(0, 9.0, "act", direction="harder")
    root, _ = drawn(item_charts.drift_timeline((high, window(1, -0.4, "watch")), (0.3, 0.5)))

    square, triangle = [each.get("d") for each in shapes(root, "path")][:2]
    tops = [float(re.match(r"M[\d.]+ ([\d.]+)", d)[1]) for d in (square, triangle)]
    assert tops[0] == 34 - 5  # the upper edge
    assert tops[1] > 120 - 6  # below the middle


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-30, 30),
            st.sampled_from(["stable", "watch", "act"]),
            st.text("<&\"'x"),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_timeline_of_any_windows_is_svg_within_its_frame(found):
    windows = [window(n, d, s, likely_cause=cause) for n, (d, s, cause) in enumerate(found)]

    root, titles = drawn(item_charts.drift_timeline(windows, (0.3, 0.5)))

    assert len([title for title in titles if " to 20" in title]) == len(windows)
    for each in root.iter("line"):
        assert all(0 <= float(each.get(name)) <= 640 for name in ("x1", "x2"))
        assert all(0 <= float(each.get(name)) <= 244 for name in ("y1", "y2"))
