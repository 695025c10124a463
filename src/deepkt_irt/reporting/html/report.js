// Filters, sorting and links into closed pages. Without this script the page shows everything.
(() => {
  "use strict";

  const FACETS = {
    class: ["Class", "classes"],
    skill: ["Skill", "skills"],
    student: ["Student", "students"],
    item: ["Item", "items"],
  };
  const about = [...document.querySelectorAll("[data-filter]")].map((element) => ({
    element,
    facets: JSON.parse(element.dataset.filter),
  }));

  // Columns that are filtered: their rows are about what the headings are about, too.
  const columns = about.filter(({ element }) => element.matches("th"));
  for (const { element, facets } of columns) {
    const rows = about.filter((each) => each.element.parentNode === bodyOf(element));
    for (const [facet, values] of Object.entries(facets)) {
      for (const row of rows) row.facets[facet] = [...(row.facets[facet] ?? []), ...values];
    }
  }

  function bodyOf(heading) {
    return heading.closest("table").tBodies[0];
  }

  function make(tag, attributes = {}, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }

  // ---- filters ----

  const selects = new Map();
  const status = make("p", { role: "status", class: "shown" });
  const form = make("form", { class: "controls", role: "search", "aria-label": "Filter the page" });

  /** Values to choose from in a facet, given what is chosen in the others. */
  function choices(facet, wanted) {
    const others = { ...wanted, [facet]: "" };
    const found = about.filter(({ facets }) => facet in facets && fits(facets, others));
    return [...new Set(found.flatMap(({ facets }) => facets[facet]))].sort(inOrder);
  }

  function inOrder(a, b) {
    return a.localeCompare(b, "en", { numeric: true });
  }

  /** Whether an element stays; what says nothing of a facet does not hang on it. */
  function fits(facets, wanted) {
    return Object.entries(wanted).every(
      ([facet, value]) => !value || !(facet in facets) || facets[facet].includes(value),
    );
  }

  function chosen() {
    return Object.fromEntries([...selects].map(([facet, select]) => [facet, select.value]));
  }

  function offer(wanted) {
    for (const [facet, select] of selects) {
      const values = choices(facet, wanted);
      select.replaceChildren(
        new Option("all", ""),
        ...values.map((value) => new Option(value, value, false, value === wanted[facet])),
      );
    }
  }

  function filter() {
    const wanted = chosen();
    for (const { element, facets } of about) {
      element.classList.toggle("off", !fits(facets, wanted));
    }
    hideColumns();
    blocks.forEach(settle);
    offer(wanted);
    tell(wanted);
    stopAtBoxes();
  }

  /** A heading that is left out takes the cells below along. */
  function hideColumns() {
    for (const { element } of columns) {
      for (const row of bodyOf(element).rows) {
        row.cells[element.cellIndex].classList.toggle("off", element.classList.contains("off"));
      }
    }
  }

  // Tables, rows of charts and sections whose parts are filtered, each with a note for when none is left.
  const blocks = new Map();
  for (const { element } of about.filter((each) => !columns.includes(each))) {
    const home = element.closest("table, .curves") ?? element.closest("section");
    if (!blocks.has(home)) {
      const note = make("p", { class: "nothing off" }, "Nothing here fits the filter.");
      (home.closest(".box") ?? home.lastElementChild).after(note);
      blocks.set(home, { home, note, parts: [] });
    }
    blocks.get(home).parts.push(element);
  }

  /** Say it where nothing is left, and open a page that is left alone. */
  function settle({ home, note, parts }) {
    const left = parts.filter((part) => !part.classList.contains("off"));
    note.classList.toggle("off", left.length > 0);
    home.closest(".box")?.classList.toggle("off", left.length === 0);
    if (left.length === 1 && left.length < parts.length && left[0].matches("details")) {
      left[0].open = true;
    }
  }

  /** Say how many rows and pages are shown, and beside each section how many of its own. */
  function tell(wanted) {
    const active = Object.keys(wanted).filter((facet) => wanted[facet]);
    const concerned = about.filter(
      ({ element, facets }) =>
        element.matches("tr, details, figure") && active.every((facet) => facet in facets),
    );
    const left = concerned.filter(({ element }) => !element.closest(".off"));
    const [n, all] = [left.length, concerned.length].map((each) => each.toLocaleString("en"));
    const values = active.map((facet) => wanted[facet]).join(", ");
    const named = active.map((facet) => FACETS[facet][1]).join(" and ");
    status.textContent = active.length
      ? `${values}: ${n} of ${all} rows and pages about ${named} are shown.`
      : `All ${all} rows and pages are shown.`;
    for (const link of document.querySelectorAll("nav a")) {
      const section = document.querySelector(link.hash);
      const within = ({ element }) => section.contains(element);
      link.querySelector("span")?.remove();
      if (active.length && concerned.some(within)) {
        link.append(make("span", {}, ` (${left.filter(within).length})`));
      }
    }
  }

  function addFilters() {
    for (const [facet, [name]] of Object.entries(FACETS)) {
      if (choices(facet, {}).length < 2) continue; // nothing to choose between
      const select = make("select", { name: facet, autocomplete: "off" });
      selects.set(facet, select);
      form.append(make("label", {}, name, select));
    }
    if (!selects.size) return;
    form.append(make("button", { type: "reset" }, "Show everything"), status);
    form.addEventListener("change", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter)); // once the fields are empty
    document.getElementById("main").before(form);
    filter();
  }

  // ---- sorting ----

  const sorted = make("p", { role: "status", class: "unseen" });

  /** What a cell is sorted by: its value, else what stands first in it; null if not known. */
  function key(cell, isNumber) {
    const text = cell.dataset.value ?? cell.firstChild?.textContent.trim() ?? "";
    if (!isNumber) return ["", "–"].includes(text) ? null : text;
    const number = Number.parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? null : number;
  }

  /** Rows in order; what is not known comes last either way, and equal rows keep their order. */
  function ordered(rows, heading, way) {
    const cell = (row) => row.cells[heading.cellIndex];
    const isNumber = heading.matches(".n") || rows.some((row) => cell(row).dataset.value);
    const keys = new Map(rows.map((row) => [row, key(cell(row), isNumber)]));
    return [...rows].sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return (way === "descending" ? -1 : 1) * (isNumber ? a - b : inOrder(a, b));
    });
  }

  function sort(table, given, heading) {
    const next = { null: "ascending", ascending: "descending", descending: null };
    const way = next[heading.getAttribute("aria-sort")];
    for (const each of heading.parentNode.cells) each.removeAttribute("aria-sort");
    if (way) heading.setAttribute("aria-sort", way);
    table.tBodies[0].append(...(way ? ordered(given, heading, way) : given));
    const order = way ? `by ${heading.textContent}, ${way}` : "in the order given";
    sorted.textContent = `${table.getAttribute("aria-label")}: ${order}.`;
  }

  function makeSortable(table) {
    const given = [...table.tBodies[0].rows];
    if (given.length < 2) return;
    for (const heading of table.tHead.rows[0].cells) {
      const button = make("button", { type: "button", class: "sort" }, ...heading.childNodes);
      button.addEventListener("click", () => sort(table, given, heading));
      heading.append(button);
    }
  }

  // ---- links into what is closed or filtered out ----

  /** The place a link names, open and shown whatever the filter. */
  function reveal(hash) {
    const place = document.getElementById(hash.slice(1));
    if (place?.closest(".off")) {
      form.reset();
      filter();
    }
    const page = place?.closest("details");
    if (page) page.open = true;
    return place;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link) reveal(link.hash);
  });
  addEventListener("hashchange", () => reveal(location.hash)?.scrollIntoView());

  // ---- boxes take a tab stop only while they scroll ----

  const boxes = [...document.querySelectorAll(".box, .chart.wide")];

  function stopAtBoxes() {
    // a box in a closed page cannot be reached, and to measure it would lay out the page
    const open = boxes.filter((box) => !box.closest("details:not([open])"));
    const scrolling = open.map((box) => box.scrollWidth > box.clientWidth);
    open.forEach((box, n) => {
      if (scrolling[n]) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    });
  }

  addEventListener("resize", stopAtBoxes);
  document.addEventListener("toggle", stopAtBoxes, true); // of pages, which does not bubble

  document.documentElement.classList.add("scripted");
  document.querySelectorAll("main table").forEach(makeSortable);
  document.getElementById("main").append(sorted);
  addFilters();
  stopAtBoxes();
  reveal(location.hash)?.scrollIntoView();
})();
