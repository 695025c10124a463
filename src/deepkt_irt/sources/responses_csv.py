"""Any CSV file with one graded response a row, through a mapping given or guessed."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from deepkt_irt.errors import BadFile, UsageError
from deepkt_irt.sources.layout import Field, Layout, Source, graded, instant, number, share
from deepkt_irt.sources.reader import read_header, read_rows
from deepkt_irt.sources.responses import SCOPE, canonical
from deepkt_irt.tables.bronze import RAW_RESPONSES

# header names met in the wild, the likeliest first; compared by their letters and digits alone
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "student_id": ("student_id", "user_id", "student", "user", "anon_student_id", "learner_id"),
    "item_id": ("item_id", "problem_id", "question_id", "exercise_id", "item", "question"),
    "correct": ("correct", "is_correct", "answered_correctly", "correct_first_attempt", "outcome"),
    "score": ("score", "partial_score", "credit"),
    "skill_ids": ("skill_ids", "skill_id", "kc_ids", "kc_id", "skills", "skill", "concept_id"),
    "skill_names": ("skill_names", "skill_name", "kc_names", "kc_name"),
    "answered_at": ("answered_at", "timestamp", "time", "datetime", "created_at", "submitted_at"),
    # a running number over all rows may have gaps, so the position within the student is first
    "response_order": ("response_order", "seq_pos", "sequence_number", "order", "order_id"),
    "latency_ms": ("latency_ms", "ms_first_response", "ms_first_response_time", "response_time_ms"),
    "attempt_count": ("attempt_count", "attempts", "n_attempts"),
    "hint_count": ("hint_count", "hints", "n_hints", "hints_used"),
    "first_action": ("first_action",),
    "bottom_hint": ("bottom_hint",),
    "item_type": ("item_type", "problem_type", "answer_type", "question_type"),
    "assignment_id": ("assignment_id", "assignment_log_id"),
    "class_id": ("class_id", "student_class_id", "class"),
    # only what cannot be taken for something else: a "response" may be right or wrong, an
    # "answer_id" a row number; anything else has to be mapped
    "answer": (
        *("answer", "answer_given", "given_answer", "student_answer", "user_answer"),
        *("selected_answer", "selected_option", "chosen_option"),
    ),
    "student_group": ("student_group",),
}
COPIED_COLUMNS = tuple(name for name in _SYNONYMS if name != "bottom_hint")
_NEEDED = ("student_id", "item_id")
_RESULTS = ("correct", "score")  # one of each pair is enough
_ORDERS = ("answered_at", "response_order")
# what R, pandas and databases write where there is no value
_ABSENT = frozenset({"NA", "N/A", "NaN", "nan", "NaT", "NULL", "null"})
_TEXTS = ("answer", "student_group")  # where it may be a value, as NA for Native American
_LATER = ("answer", "student_group")  # files copied before these were asked for lack them
FILE_ORDER = "_row"  # response_order=_row: the order of the rows in the file
SEPARATOR = "separator"  # name in a mapping of what joins several skills; empty: nothing
_SEPARATORS = ("~~", ";", "|", ",")
_FIRST_SECONDS = 1e8  # since 1970, in 1973: no log of answers is older
_SEEN = 10_000  # values of a column kept in mind


def parse_mapping(text: str) -> dict[str, str]:
    """A mapping from text like `student_id=user_id item_id=problem_id`, or from a file.

    Args:
        text: Parts apart by blanks, or the path of a file with one part a line; there, headers
            may hold blanks.

    Raises:
        UsageError: If a part is no `name=header`, or the name is not known.
    """
    parts = text.split() if "=" in text else _lines(Path(text))
    mapping = {}
    for part in parts:
        name, equals, header = (each.strip() for each in part.partition("="))
        if not equals:
            raise UsageError(
                f"--map {part!r}: write name=header, and a header with blanks in a file, one part "
                f"a line; {_known_names()}"
            )
        mapping[name] = header
    _refuse_unknown(mapping)
    return mapping


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--map {path}: no readable file, and no text like student_id=user_id"
        ) from error


def _known_names() -> str:
    return f"the names are {', '.join((*_SYNONYMS, SEPARATOR))}"


def _refuse_unknown(mapping: Mapping[str, str]) -> None:
    unknown = [name for name in mapping if name not in {*_SYNONYMS, SEPARATOR}]
    if unknown:
        raise UsageError(f"--map: no name {', '.join(unknown)}; {_known_names()}")


def complete_mapping(path: Path, given: Mapping[str, str] | None) -> dict[str, str]:
    """Canonical name to header, from what was given and else from the header's names.

    Raises:
        BadFile: If student, item, result, or both time and order cannot be found.
        UsageError: If a given name is not known.
    """
    header = read_header(path)
    mapping = dict(given or {})
    _refuse_unknown(mapping)
    plain = {_plain(name): name for name in reversed(header)}
    for name, synonyms in _SYNONYMS.items():
        # beside a result, a column called score may hold anything, such as points
        if name in mapping or (name == "score" and "correct" in mapping):
            continue
        found = (plain.get(_plain(synonym)) for synonym in synonyms)
        guess = next((each for each in found if each and each not in mapping.values()), None)
        if guess is not None and not _may_be_seconds_taken(path, header, guess):
            mapping[name] = guess
    _refuse_incomplete(path, header, mapping)
    if "skill_ids" in mapping and SEPARATOR not in mapping:
        mapping[SEPARATOR] = _separator(path, header.index(mapping["skill_ids"]))
    return mapping


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _may_be_seconds_taken(path: Path, header: list[str], name: str) -> bool:
    """Whether a column called time holds what no clock shows today, such as how long it took."""
    if _plain(name) != "time":
        return False
    at = header.index(name)
    values = (row[at].strip() for row in read_rows(path) if len(row) > at)
    first = next((value for value in values if value and value not in _ABSENT), "")
    return number(first) is None and float(first) < _FIRST_SECONDS


def _refuse_incomplete(path: Path, header: list[str], mapping: Mapping[str, str]) -> None:
    headers = {h for name, h in mapping.items() if name != SEPARATOR}
    if mapping.get("response_order") == FILE_ORDER:
        headers.remove(FILE_ORDER)
    absent = sorted(headers - set(header))
    missing = [name for name in _NEEDED if name not in mapping]
    missing += [" or ".join(p) for p in (_RESULTS, _ORDERS) if not any(n in mapping for n in p)]
    if absent or missing:
        what = f"no column {', '.join(absent)}" if absent else f"no {', '.join(missing)} found"
        fix = (
            "name them, as in --map 'student_id=… item_id=… correct=… answered_at=…' "
            f"(response_order={FILE_ORDER} takes the order of the rows)"
        )
        if len(header) == 1:  # other separators, or a title above the header
            fix = "its first line has to name the columns, with commas between them"
        problem = f"{what} among its columns {', '.join(header)}"
        raise BadFile(path.name, problem, fix, absent or missing)


def mapped_layout(mapping: Mapping[str, str], *, absent: frozenset[str] = _ABSENT) -> Layout:
    """The layout of a file under a complete mapping.

    Args:
        mapping: Canonical name to header.
        absent: Texts that stand for no value, but in free texts.
    """
    rules = {
        "correct": graded,
        "score": share,
        "answered_at": instant,
        "response_order": number,
        "latency_ms": number,
        "attempt_count": number,
        "hint_count": number,
        "bottom_hint": number,
    }
    filled = set(_NEEDED)
    for pair in (_RESULTS, _ORDERS):
        present = [name for name in pair if name in mapping]
        # must be there, unless the other can stand in
        filled.update(present if len(present) == 1 else ())
    fields = tuple(
        Field(
            header,
            name,
            required=name not in _LATER,
            rule=rules.get(name),
            filled=name in filled,
            free_text=name == "answer",
            absent=frozenset() if name in _TEXTS else absent,
        )
        for name, header in mapping.items()
        if name != SEPARATOR and header != FILE_ORDER
    )
    constants = {"skill_separator": mapping[SEPARATOR]} if mapping.get(SEPARATOR) else {}
    return Layout(
        table=RAW_RESPONSES,
        patterns=("*.csv",),
        fields=fields,
        rest="extras",
        constants=constants,
        row_number="response_order" if mapping.get("response_order") == FILE_ORDER else "",
    )


def copied_layout() -> Layout:
    """The layout of responses that were pulled or copied: canonical names, skills joined by `;`.

    All columns are there, since the copy names them, but for those that came later; which of them
    hold something is the source's matter, but for student and item. Where a database has no value
    the copy is empty, so that any other text is one.
    """
    names = {name: name for name in COPIED_COLUMNS}
    return mapped_layout({**names, SEPARATOR: ";"}, absent=frozenset())


def _separator(path: Path, at: int) -> str:
    """What joins several skills in a column, judged by all its values; empty if nothing does."""
    joined: set[str] = set()  # separators met
    has_names = has_underscore = has_others = False
    for value in _distinct(row[at].strip() for row in read_rows(path) if len(row) > at):
        if value in _ABSENT:
            continue
        joined.update(separator for separator in _SEPARATORS if separator in value)
        # names may hold a comma, as in "Order of Operations +,-,/": codes hold no blanks
        has_names |= "," in value and any(" " in part.strip() for part in value.split(","))
        has_underscore |= "_" in value
        has_others |= not re.fullmatch(r"\d*(_\d+)*", value)
    for separator in _SEPARATORS:
        if separator in joined and not (separator == "," and has_names):
            return separator
    return "_" if has_underscore and not has_others else ""


def _distinct(values: Iterator[str]) -> Iterator[str]:
    """Values, most of them once; a column of ever new ones takes no more memory than this."""
    seen: set[str] = set()
    for value in values:
        if value not in seen:
            if len(seen) >= _SEEN:
                seen.clear()
            seen.add(value)
            yield value


SOURCE = Source(
    name="responses_csv",
    layouts=(Layout(table=RAW_RESPONSES, patterns=("*.csv",), fields=()),),
    canonical=canonical,
    scope=SCOPE,
    mapped=True,
)
