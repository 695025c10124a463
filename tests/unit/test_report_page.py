"""The whole report page: what filters, sorting and links need is in it, and it needs no script."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from conftest import REPOSITORY
from deepkt_irt.reporting.run_report import FACETS, facets, render
from made_up_items import report
from made_up_report import HELP, SKILLS, STUDENTS, student, whole_report

HTML = REPOSITORY / "src" / "deepkt_irt" / "reporting" / "html"
SCRIPT = (HTML / "report.js").read_text()
VOID = {"meta", "br", "link", "img", "input"}


class Page(HTMLParser):
    """Elements of a page, each with its attributes, text and the elements around it."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [*self.open]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [*self.open]))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


@pytest.fixture(scope="module", params=["whole", "empty"])
def page(request):
    return Page(render(whole_report() if request.param == "whole" else report()))


def test_elements_are_closed_where_they_were_opened(page):
    assert page.mistakes == []
    assert page.open == []


def test_ids_are_there_once_and_links_lead_to_them(page):
    ids = Counter(about["id"] for _, about, _ in page.elements if "id" in about)
    wanted = {about["href"].removeprefix("#") for about in page.all("a")}

    assert [name for name, n in ids.items() if n > 1] == []
    assert wanted - ids.keys() == set()


def test_page_offers_no_control_that_needs_the_script(page):
    names = {name for name, _, _ in page.elements}

    assert names & {"button", "select", "input", "form"} == set()
    assert not [about for _, about, _ in page.elements if "hidden" in about]


def test_every_table_is_named_and_its_headings_have_a_scope(page):
    assert [about for about in page.all("table") if not about.get("aria-label")] == []
    assert [about for about in page.all("th") if about.get("scope") not in {"col", "row"}] == []
    headed = [inside for name, _, inside in page.elements if name == "thead"]
    assert len(headed) == len(page.all("table"))


def test_boxes_that_scroll_are_named_and_reached_by_keyboard(page):
    boxes = [a for a in page.all("div") if a.get("class") in {"box", "chart wide"}]

    assert [a for a in boxes if a.get("tabindex") != "0" or a.get("role") != "group"] == []
    assert [a for a in boxes if not a.get("aria-label")] == []


def test_page_has_its_landmarks_once_and_a_way_past_the_navigation(page):
    assert [len(page.all(name)) for name in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    first = next(about for name, about, inside in page.elements if inside == ["html", "body"])
    assert first == {"class": "skip", "href": "#main"}
    assert [inside for name, _, inside in page.elements if name == "footer"] == [["html", "body"]]


def test_what_elements_are_about_is_known_to_the_script():
    page = Page(render(whole_report()))
    about = [json.loads(a["data-filter"]) for _, a, _ in page.elements if "data-filter" in a]
    known = re.search(r"const FACETS = \{(.*?)\};", SCRIPT, re.DOTALL)[1]

    assert {facet for each in about for facet in each} == set(FACETS)
    assert re.findall(r"(\w+): \[", known) == list(FACETS)
    assert {skill for each in about for skill in each.get("skill", ())} >= set(SKILLS)
    assert all(isinstance(values, list) for each in about for values in each.values())


def test_facets_hold_any_text_and_leave_out_what_is_empty():
    written = facets(skill=["it's <b>", "", 'a "b" & c'], item="")
    (found,) = Page(f"<p {written}></p>").all("p")

    assert json.loads(found["data-filter"]) == {"skill": ["it's <b>", 'a "b" & c'], "item": []}
    assert "<b>" not in written
    with pytest.raises(ValueError, match="no filter is called school"):
        facets(school="x")


def test_values_to_sort_by_are_numbers():
    values = re.findall(r'data-value="([^"]*)"', render(whole_report()))

    assert len(values) > 10
    assert all(float(value) is not None for value in values)


def test_a_class_leads_to_its_students_who_need_help_and_these_to_their_pages():
    found = render(whole_report())
    help_today = found.split('<section id="help">')[1].split("</section>")[0]
    heat = found.split('<section id="classes">')[1].split("</section>")[0]

    assert '<a href="#help-1">class-a</a><br><small>24 students' in heat
    assert '<a href="#student-1">Student 1a</a></th>' in help_today
    assert "Student 3c</th>" in help_today  # who has no page
    own = help_today.split('id="help-2"')[1].split('id="help-3"')[0]
    assert 'with a page here: <a href="#student-2">Student 4d</a>.</p>' in " ".join(own.split())


def test_a_students_page_leads_to_the_classes():
    found = render(whole_report()).split('id="student-2"')[1].split("</details>")[0]

    assert re.findall(r"Who needs help today: (.*?)</p>", found) == [
        '<a href="#help-1">class-a</a>',
        '<a href="#help-2">class-b</a>',
    ]


def test_without_classes_or_help_students_lead_nowhere():
    found = render(replace(whole_report(), help_today=None, heat_map=None))

    assert "#help-" not in found
    assert "Who needs help today: " not in found


def test_students_whose_shortened_names_are_the_same_have_pages_of_their_own():
    twice = (STUDENTS[0], student("Student 1a", "class-b"))
    page = Page(render(replace(whole_report(), students=twice)))

    ids = [about["id"] for about in page.all("details") if "student" in about.get("id", "")]
    assert ids == ["student-1", "student-2"]
    assert HELP[0].students[0].label == "Student 1a"


def test_script_is_small_and_asks_for_nothing_beyond_the_page():
    assert len(SCRIPT.splitlines()) < 300
    assert "</" not in SCRIPT
    reaching = r"fetch|XMLHttp|import|WebSocket|sendBeacon|eval|innerHTML|localStorage|https?:"
    assert not re.search(reaching, SCRIPT)
    assert render(report()).count("<script") == 1


def test_what_marks_of_charts_say_is_not_left_to_the_eye(page):
    charts = page.all("svg")

    # of an image a screen reader says the title only
    assert [each for each in charts if each.get("role") != "group"] == []


def test_marks_of_charts_have_a_title_or_none():
    assert "<title></title>" not in render(whole_report())


def test_headings_tell_whose_page_they_stand_on(page):
    pages = [about for about in page.all("details") if about.get("class") == "page"]
    named = [inside for name, _, inside in page.elements if name == "h3" and "details" in inside]

    assert len(named) == len(pages)
    assert all(inside[-1] == "summary" for inside in named)


def test_sections_stand_as_the_navigation_has_them_who_needs_help_first(page):
    links = [a["href"] for name, a, inside in page.elements if name == "a" and "nav" in inside]

    assert links == [f"#{about['id']}" for about in page.all("section")]
    assert links[0] == "#help"


def test_with_each_cell_it_is_told_whom_or_what_its_row_is_about():
    page = render(whole_report())

    for name in ("help", "attention"):
        rows = page.split(f'<section id="{name}">')[1].split("</section>")[0].split("<tr data-")[1:]
        assert rows
        assert all('<th scope="row">' in row.split("<td>")[0] for row in rows), name
