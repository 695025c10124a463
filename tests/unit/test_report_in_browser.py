"""The report page in a browser: filters, sorting, links into closed pages, and no overflow.

One start of the browser serves all tests: a page beside the report's pages opens each of them in a
frame, runs a scenario there, and writes down what it found.
"""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from deepkt_irt.reporting.run_report import render
from made_up_items import report
from made_up_report import whole_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]
WIDTHS = (390, 768, 1280)

# gathers what goes wrong before the page's own script runs
WATCH = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(event.message));
console.error = console.warn = (...said) => problems.push(said.join(" "));
</script>"""
HELPERS = """
const $ = (selector, inside = document) => inside.querySelector(selector);
const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const seen = (element) => element.checkVisibility();
const wait = (ms = 60) => new Promise((done) => setTimeout(done, ms));
const choose = (name, value) => {
  $(`select[name=${name}]`).value = value;
  $("form").dispatchEvent(new Event("change"));
};
const options = (name) => $$(`select[name=${name}] option`).map((each) => each.value);
const first = (cell) => cell.firstChild.textContent;
const column = (table, n) => $$("tbody tr", table).map((row) => first(row.cells[n]));
const named = (name) => $(`table[aria-label="${name}"]`);
const heading = (table, n) => $$("thead th", table)[n];
const said = () => $("form [role=status]").textContent;
"""
HARNESS = """<!doctype html><body><script>
const scenarios = SCENARIOS;
addEventListener("load", async () => {
  const found = {};
  for (const [name, { page, width, script }] of Object.entries(scenarios)) {
    const frame = document.createElement("iframe");
    frame.style.cssText = `width:${width}px;height:800px;border:0`;
    frame.src = page;
    document.body.append(frame);
    await new Promise((done) => { frame.onload = done; });
    const inner = frame.contentWindow;
    try {
      found[name] = await inner.eval(script);
    } catch (error) {
      found[name] = String(error);
    }
    if (inner.problems.length) found[name] = inner.problems;
    frame.remove();
  }
  const out = document.createElement("script");
  out.type = "application/json";
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script></body>"""

FILTERS = """
const about = (name) => $$("[data-filter]").filter(seen).map(
  (each) => JSON.parse(each.dataset.filter)[name]).filter(Boolean);
const told = [said()];
choose("class", "class-b");
const classes = about("class"), students = options("student");
told.push(said());
const links = $$("nav a span").map((each) => each.parentNode.textContent);
choose("class", "");
choose("skill", "Ratios, first part");
const skills = about("skill"), heads = $$("table.heat thead th").filter(seen).length;
const cells = $$("table.heat tbody tr")[0].querySelectorAll("td:not(.off)").length;
choose("class", "class-c");
told.push(said());
choose("class", "");
choose("skill", "");
choose("student", "Student 4d");
const open = $("#student-2").open, helped = $$("#help table").filter(seen).length;
const notes = $$(".nothing").filter(seen).map((each) => each.closest("section").id);
choose("item", "Which is <larger>?");
$("form button").click();
await wait();
const after = $$(".off").filter((each) => each.matches("[data-filter]")).length;
return { told, classes, students, links, skills, heads, cells, open, helped, notes, after };
"""
SORTING = """
const sorted = (name, n, times) => {
  const table = named(name), ways = [], orders = [];
  for (let k = 0; k < times; k += 1) {
    $("button", heading(table, n)).click();
    orders.push(column(table, n));
    ways.push(heading(table, n).getAttribute("aria-sort"));
  }
  return { orders, ways, said: $$("main > [role=status]").map((p) => p.textContent) };
};
const files = named("Rows read, kept and quarantined by file").tBodies[0].rows;
[" ", "a", "\N{EN DASH}"].forEach((text, k) => { files[k].cells[0].textContent = text; });
return {
  texts: sorted("Rows read, kept and quarantined by file", 0, 3),
  files: sorted("Rows read, kept and quarantined by file", 1, 3),
  models: sorted("SAKT", 1, 2),
  sizes: sorted("Tables and their files", 4, 1),
  heat: sorted("Mean mastery by class and skill", 2, 1),
  lacking: sorted("Skills that lack items", 1, 1),
  alone: $$("button", named("Why rows were quarantined")).length,
};
"""
LINKS = """
const followed = async (link, target) => {
  link.click();
  await wait();
  const at = $(target).getBoundingClientRect();
  return [location.hash, $(target).open ?? true, seen($(target)), at.top < innerHeight];
};
$("#item-1").open = false;
const item = await followed($('#attention a[href="#item-1"]'), "#item-1");
const student = await followed($('#help a[href="#student-1"]'), "#student-1");
choose("student", "Student 3c");
const hidden = seen($("#student-2"));
const other = await followed($('#help a[href="#student-2"]'), "#student-2");
const group = await followed($('#classes a[href="#help-3"]'), "#help-3");
return { item, student, hidden, other, group, chosen: $("select[name=student]").value };
"""
CONTROLS = """
$("#item-2").open = true;
await wait(); // a page says later that it was opened
const boxes = $$(".box, .chart.wide").filter(seen);
const wrong = boxes.filter((each) =>
  (each.scrollWidth > each.clientWidth) !== (each.tabIndex === 0));
const button = $("button.sort");
button.focus();
return {
  unnamed: $$("select, button").filter(
    (each) => !(each.labels?.[0] ?? each).textContent.trim()).length,
  boxes: boxes.length,
  wrong: wrong.map((each) => each.ariaLabel),
  focused: document.activeElement === button,
  search: $$("form[role=search]").map((each) => each.ariaLabel),
};
"""
WIDTH = """
$$("details").forEach((each) => { each.open = true; });
await wait();
const out = $$("body *").filter((each) => !each.closest(".box, .chart, .skip, .unseen, svg") &&
  each.getBoundingClientRect().right > innerWidth + 1);
const root = document.documentElement;
return [innerWidth, root.scrollWidth - root.clientWidth, out.map((each) => each.outerHTML)];
"""
PLAIN = """return {
  hidden: $$("main *").filter((each) => !each.closest("details, svg") && !seen(each)).length,
  controls: $$("button, select, form").length,
  sections: $$("section").length,
};"""
SCENARIOS = {
    "filters": ("whole", 1280, FILTERS),
    "sorting": ("whole", 1280, SORTING),
    "links": ("whole", 1280, LINKS),
    "controls": ("whole", 768, CONTROLS),
    **{f"width {width}": ("whole", width, WIDTH) for width in WIDTHS},
    "empty": ("empty", 1280, PLAIN),
    "without script": ("bare", 1280, PLAIN),
    "no classes": ("items", 1280, 'return $$("select").map((each) => each.name);'),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each scenario found in its page, or what went wrong there."""
    folder = tmp_path_factory.mktemp("pages")
    whole = render(whole_report())
    items = replace(whole_report(), help_today=None, heat_map=None, students=())
    pages = {
        "whole": whole,
        "empty": render(report()),
        "bare": re.sub(r"<script>.*?</script>", "", whole, flags=re.DOTALL),
        "items": render(items),
    }
    for name, page in pages.items():
        watched = page.replace("<style>", f"{WATCH}<style>", 1)
        (folder / f"{name}.html").write_text(watched)
    scenarios = {
        name: {
            "page": f"{page}.html",
            "width": width,
            "script": f"(async () => {{ {HELPERS} {script} }})()",
        }
        for name, (page, width, script) in SCENARIOS.items()
    }
    harness = folder / "harness.html"
    harness.write_text(HARNESS.replace("SCENARIOS", json.dumps(scenarios)))
    return looked_at(harness)


def looked_at(harness):
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    quick = ("--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom")
    profile = f"--user-data-dir={harness.with_name('profile')}"
    command = [BROWSER, *options, *quick, profile, harness.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    written = re.search(r'<script type="application/json" id="found">(.*?)</script>', ran.stdout)
    assert written, ran.stderr[-2_000:]
    assert "CONSOLE" not in ran.stderr, ran.stderr
    return json.loads(written[1])


def test_filters_leave_what_is_about_what_was_chosen(found):
    found = found["filters"]

    assert found["classes"] == [["class-b"], ["class-b"], ["class-b"], ["class-a", "class-b"]]
    assert found["students"] == ["", "Student 3c", "Student 4d"]
    assert found["skills"]
    assert all("Ratios, first part" in skills for skills in found["skills"])
    assert (found["heads"], found["cells"]) == (2, 1)
    assert (found["open"], found["helped"], found["after"]) == (True, 0, 0)
    assert found["notes"] == ["help"]
    assert found["links"] == ["Help today (1)", "Classes (1)", "Students (1)"]


def test_page_says_how_many_rows_are_shown(found):
    everything, one, two = found["filters"]["told"]

    assert re.fullmatch(r"All \d+ rows and pages are shown\.", everything)
    assert one == "class-b: 3 of 9 rows and pages about classes are shown."
    assert two == (
        "class-c, Ratios, first part: 1 of 9 rows and pages about classes and skills are shown."
    )


def test_sorting_goes_by_number_keeps_unknown_last_and_comes_back(found):
    found = found["sorting"]

    assert found["texts"]["orders"] == [["a", " ", "\N{EN DASH}"]] * 2 + [[" ", "a", "\N{EN DASH}"]]
    assert found["files"]["orders"] == [
        ["7", "90", "1,200"],
        ["1,200", "90", "7"],
        ["1,200", "90", "7"],
    ]
    assert found["files"]["ways"] == ["ascending", "descending", None]
    assert found["models"]["orders"] == [
        ["0.850", "0.900", "one class only"],
        ["0.900", "0.850", "one class only"],
    ]
    assert found["sizes"]["orders"] == [["40 bytes", "900 bytes", "4.8 MiB"]]
    assert found["heat"]["orders"] == [["41", "100", "\N{EN DASH}"]]
    assert found["lacking"]["orders"] == [["-1 to 0", "0 to +1"]]
    said = "Rows read, kept and quarantined by file: in the order given."
    assert found["files"]["said"] == [said]
    assert found["alone"] == 0  # one row needs no order


def test_links_open_the_page_they_lead_to_whatever_the_filter(found):
    found = found["links"]

    assert found["item"] == ["#item-1", True, True, True]
    assert found["student"] == ["#student-1", True, True, True]
    assert found["hidden"] is False
    assert found["other"] == ["#student-2", True, True, True]
    assert found["group"] == ["#help-3", True, True, True]
    assert found["chosen"] == ""


def test_controls_are_named_and_reached_by_keyboard(found):
    found = found["controls"]

    assert found["unnamed"] == 0
    assert found["boxes"] > 5
    assert found["wrong"] == []  # a box takes a tab stop if it scrolls, and only then
    assert found["focused"]
    assert found["search"] == ["Filter the page"]


@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_any_width_also_when_all_is_open(found, width):
    assert found[f"width {width}"] == [width, 0, []]


@pytest.mark.parametrize("page", ["empty", "without script"])
def test_page_without_data_or_script_has_no_controls_and_shows_everything(found, page):
    assert found[page] == {"hidden": 0, "controls": 0, "sections": 13}


def test_filter_without_a_choice_is_not_offered(found):
    assert found["no classes"] == ["skill", "item"]
