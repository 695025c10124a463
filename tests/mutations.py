"""Damage done to sound files, as exports, transfers and hands do it; seeded, so it can be repeated.

A mutation takes a random generator and bytes, and gives other bytes. With `st.randoms()` of
hypothesis as the generator the damage shrinks.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from warnings import catch_warnings, simplefilter

Mutation = Callable[[Random, bytes], bytes]

_BYTES = (
    *(b"\0", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b'"', b'""', b",", b";", b"\t", b"\\", b"'"),
    *(
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x1a",
        b"\x1f\x8b",
        b"\x0c",
        b"\x85",
    ),
    *("\u2028".encode(), "\u00a0".encode(), "\u200b".encode(), "\ufeff".encode(), "é".encode()),
    *(b"{", b"}", b"[", b"]", b":", b"null", b"\\ud800", b"\\u0000", b"=cmd()", b"</data>"),
)
_VALUES = (
    *("", " ", "\t", "\u00a0", "0", "1", "-0", "-1", "2", "1\t", "1\u00a0", "+1", "1.", ".5"),
    *("1e3", "1e400", "-1e400", "1e-400", "NaN", "nan", "Infinity", "-inf", "0x1F", "1_000"),
    *("1,5", "\u00bd", "\u0663", "\uff11", "9" * 400, "0." + "3" * 400, "2026-02-30", "0000-01-01"),
    *("2026-13-01T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "2026-02-02T24:00:00Z"),
    *("2026-02-02T09:00:60Z", "2026-02-02T09:00+99:99", "2026-02-02T09:00:00+23:59", "1e11"),
    *("253402300799", "-62135596800", "true", "TRUE", "yes", "P1Y", "PT1e9S", "PT99999999999S"),
    *("P", "PT", "a\nb", "a\rb", 'a"b', "a,b", "a;b~~c|d", "\u2028", "\x1a", "=1+1", "null"),
    *("NULL", "None", "é", "\U0001f600", "\u202e", "\ufeff", "../../etc", "x" * 200_000),
)
_NODES: tuple[Any, ...] = (
    *(None, True, False, 0, -0.0, 1, -1, 2, 10**30, 10**400, 1e308, 0.1, "", " ", "x", "1"),
    *([], {}, [[]], [{}], {"": ""}, {"id": None}, [None], ["a", 1, None], {"en": 1}),
    *({"id": {"id": 1}}, "true", "\ud800", "\udfff", "\ud83d\ude00", "\0", "\u2028", "a\nb"),
    *("2026-02-30", "9999-12-31", "é" * 60_000),
)
_RAW_JSON = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "01", "1.", ".5", "+1", "0x1", "'x'"),
    *('{"a":1,"a":2}', '"\\ud800"', '"\\x"', "tru", "//c\n1", "9" * 5_000, "[" * 100_000),
    *("[" * 500 + "]" * 500, "[" * 2_000 + "]" * 2_000, '{"a":' * 900 + "1" + "}" * 900),
    '{"a":' * 3_000 + "1" + "}" * 3_000,
)


@dataclass(frozen=True)
class Mutated:
    """A damaged file: its name, which may have .gz or .zip, its bytes, and what was done."""

    name: str
    content: bytes
    done: tuple[str, ...]


def seeded(seed: int, name: str, content: bytes) -> Mutated:
    """The damage that a seed does to a file."""
    return mutated(Random(f"{seed} {name}"), name, content)  # noqa: S311 - no secret


def mutated(rng: Random, name: str, content: bytes) -> Mutated:
    """A file with one to three mutations, now and then packed, and the package damaged, too."""
    done: list[str] = []
    structure = _OF_JSON if name.endswith(("json", "jsonl", "ndjson")) else _OF_CSV
    for _ in range(rng.randint(1, 3)):
        mutation = rng.choice(rng.choice((structure, structure, _OF_BYTES)))
        content = mutation(rng, content)
        done.append(mutation.__name__)
    if rng.random() < 0.25:
        wrap = rng.choice(_PACKED)
        name, content = wrap(rng, name, content)
        done.append(wrap.__name__)
    return Mutated(name, content, tuple(done))


# of bytes, whatever they mean


def _place(rng: Random, content: bytes) -> int:
    return rng.randint(0, len(content))


def flipped_bit(rng: Random, content: bytes) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def cut_off(rng: Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def cut_in_a_character(rng: Random, content: bytes) -> bytes:
    return content[: _place(rng, content)] + "€".encode()[: rng.randint(1, 2)]


def cut_in_a_quote(rng: Random, content: bytes) -> bytes:
    return content[: _place(rng, content)] + b'"' + content[: rng.randint(0, 9)]


def inserted(rng: Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + rng.choice(_BYTES) * rng.choice((1, 1, 1, 2, 50)) + content[at:]


def taken_out(rng: Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.randint(1, 40) :]


def repeated(rng: Random, content: bytes) -> bytes:
    start = _place(rng, content)
    end = rng.randint(start, len(content))
    return content[:end] + content[start:end] * rng.randint(1, 3) + content[end:]


def other_line_ends(rng: Random, content: bytes) -> bytes:
    return content.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\r", b"\n\n", "\u2028".encode())))


def other_encoding(rng: Random, content: bytes) -> bytes:
    code = rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7", "utf-8-sig"))
    return ("é" * rng.randint(0, 1) + content.decode("utf-8", "replace")).encode(code, "replace")


def emptied(rng: Random, content: bytes) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"\xef\xbb\xbf", b"\r\n\r\n", content.split(b"\n")[0]))


def random_bytes(rng: Random, content: bytes) -> bytes:
    return rng.randbytes(rng.randint(1, 300))


def other_quotes(rng: Random, content: bytes) -> bytes:
    return content.replace(b'"', rng.choice((b"'", b"", b'""', b'\\"')))


# of tables


def _rows(content: bytes) -> list[list[str]]:
    text = content.decode("utf-8", "replace").replace("\0", "")
    return list(csv.reader(io.StringIO(text, newline=""))) or [[]]


def _written(rows: list[list[str]], delimiter: str = ",", quotechar: str = '"') -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quotechar=quotechar, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _changed(change: Callable[[Random, list[list[str]]], None]) -> Mutation:
    def mutation(rng: Random, content: bytes) -> bytes:
        rows = _rows(content)
        change(rng, rows)
        return _written(rows)

    mutation.__name__ = change.__name__
    return mutation


def other_delimiter(rng: Random, content: bytes) -> bytes:
    return _written(_rows(content), rng.choice((";", "\t", "|")), rng.choice(('"', "'")))


def column_gone(rng: Random, rows: list[list[str]]) -> None:
    at = rng.randrange(max(1, len(rows[0])))
    for row in rows:
        del row[at : at + 1]


def column_twice(rng: Random, rows: list[list[str]]) -> None:
    at = rng.randrange(max(1, len(rows[0])))
    for row in rows:
        row.extend(row[at : at + 1])


def columns_shuffled(rng: Random, rows: list[list[str]]) -> None:
    order = rng.sample(range(len(rows[0])), len(rows[0]))
    rows[:] = [[row[at] for at in order if at < len(row)] for row in rows]


def header_renamed(rng: Random, rows: list[list[str]]) -> None:
    if rows[0]:
        names = ("", " ", "x", "x\ny", "é", "x" * 150_000, rows[0][0].upper(), f" {rows[0][0]} ")
        rows[0][rng.randrange(len(rows[0]))] = rng.choice(names)


def unnamed_columns(rng: Random, rows: list[list[str]]) -> None:
    for row in rows:
        row.extend(["", ""] if row is rows[0] else ["7", "8"])


def header_gone(rng: Random, rows: list[list[str]]) -> None:
    del rows[:1]
    if not rows:
        rows.append([])


def row_too_long_or_short(rng: Random, rows: list[list[str]]) -> None:
    row = rng.choice(rows)
    row[:] = row + ["x"] * rng.choice((1, 1_000)) if rng.random() < 0.5 else row[:-1]


def value_replaced(rng: Random, rows: list[list[str]]) -> None:
    row = rng.choice(rows[1:] or rows)
    if row:
        row[rng.randrange(len(row))] = rng.choice(_VALUES)


def column_replaced(rng: Random, rows: list[list[str]]) -> None:
    at, value = rng.randrange(max(1, len(rows[0]))), rng.choice(_VALUES)
    for row in rows[1:]:
        row[at : at + 1] = [value]


# of JSON


def _texts(content: bytes) -> list[str]:
    """JSON objects of a file, one text each; the lines themselves where they are no JSON."""
    text = content.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text.splitlines() or [""]
    if isinstance(found, dict):
        found = next((each for each in found.values() if isinstance(each, list)), [found])
    return [json.dumps(each) for each in found] if isinstance(found, list) and found else [text]


def _nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as its container and its key."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [pair for key in keys for pair in ((value, key), *_nodes(value[key]))]


def node_replaced(rng: Random, content: bytes) -> bytes:
    texts = _texts(content)
    at = rng.randrange(len(texts))
    try:
        value = json.loads(texts[at])
        places = _nodes(value)
    except (ValueError, RecursionError):
        return content
    if places:
        holder, key = rng.choice(places)
        if rng.random() < 0.3 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = rng.choice(_NODES)
        texts[at] = json.dumps(value)
    return "\n".join(texts).encode()


def node_broken(rng: Random, content: bytes) -> bytes:
    """A value in place of which stands what JSON forbids, or some readers take otherwise."""
    texts = _texts(content)
    at = rng.randrange(len(texts))
    parts = texts[at].split(":")
    place = rng.randrange(len(parts))
    end = "," + parts[place].partition(",")[2] if "," in parts[place] else "}"
    texts[at] = ":".join([*parts[:place], rng.choice(_RAW_JSON) + end, *parts[place + 1 :]])
    return "\n".join(texts).encode()


def other_frame(rng: Random, content: bytes) -> bytes:
    """The same objects as lines, an array, envelopes, a list of lists, or one after the other."""
    joined = ",".join(_texts(content))
    frames = (
        "[{}]",
        '{{"statements":[{}]}}',
        '{{"data":[{}]}}',
        "[[{}]]",
        '{{"data":{{"data":[{}]}}}}',
    )
    if rng.random() < 0.3:
        return joined.replace("},{", rng.choice(("}{", "}\r{", "} {", "},\n{"))).encode()
    return rng.choice(frames).format(joined).encode()


def whole_nested(rng: Random, content: bytes) -> bytes:
    depth = rng.choice((10, 400, 1_200, 5_000, 50_000))
    return b"[" * depth + content.strip() + b"]" * depth


# of packed files


def packed(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    return f"{name}.gz", gzip.compress(content, 1, mtime=0)


def packed_in_parts(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    at = _place(rng, content)
    parts = [gzip.compress(each, 1, mtime=0) for each in (content[:at], content[at:])]
    return f"{name}.gz", rng.choice((b"", b"\0" * 9, b"rest")).join([*parts, b""])


def packed_twice(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    return f"{name}.gz", gzip.compress(gzip.compress(content, 1, mtime=0), 1, mtime=0)


def packed_and_damaged(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    damage = rng.choice((flipped_bit, cut_off, inserted, taken_out))
    return f"{name}.gz", damage(rng, gzip.compress(content, 1, mtime=0))


def packed_with_another_end(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    return f"{name}.gz", gzip.compress(content, 1, mtime=0)[:-8] + rng.randbytes(8)


def misnamed(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    if rng.random() < 0.7:
        return f"{name}.{rng.choice(('gz', 'zip'))}", content
    return name, gzip.compress(content, 1, mtime=0)


def _zip_of(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, catch_warnings():
        simplefilter("ignore")  # of a name that stands there twice
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def zipped(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    folder = rng.choice(("", "export/", "a/b/", "./"))
    others = [("__MACOSX/._x.csv", b"x"), ("notes.txt", b"about"), (f"{folder}.hidden", b"\0")]
    return f"{name}.zip", _zip_of((folder + name, content), *rng.sample(others, rng.randint(0, 3)))


def zipped_to_trick(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    inner = _zip_of((name, content))
    members = rng.choice(
        (
            [(f"../{name}", content)],
            [(f"/tmp/{name}", content)],  # noqa: S108 - nothing is written there
            [(f"C:\\{name}", content)],
            [(name, content), ("inner.zip", inner)],
            [(name, content), (f"again/{name.upper()}", content)],
            [(name, inner)],
            [("nothing.txt", content)],
            [(f"{name}.gz", gzip.compress(content, 1, mtime=0))],
            [],
        )
    )
    return f"{name}.zip", _zip_of(*members)


def zipped_and_damaged(rng: Random, name: str, content: bytes) -> tuple[str, bytes]:
    damage = rng.choice((flipped_bit, flipped_bit, cut_off, inserted, taken_out))
    return f"{name}.zip", damage(rng, _zip_of((name, content), (f"b_{name}", content)))


_OF_BYTES: tuple[Mutation, ...] = (
    *(flipped_bit, cut_off, cut_in_a_character, cut_in_a_quote, inserted, taken_out, repeated),
    *(other_line_ends, other_encoding, emptied, random_bytes, other_quotes),
)
_OF_CSV: tuple[Mutation, ...] = (
    other_delimiter,
    *map(_changed, (column_gone, column_twice, columns_shuffled, header_renamed, header_gone)),
    *map(_changed, (unnamed_columns, column_replaced)),
    *(_changed(row_too_long_or_short),) * 3,
    *(_changed(value_replaced),) * 8,
)
_OF_JSON: tuple[Mutation, ...] = (
    *(node_replaced,) * 4,
    *(node_broken,) * 3,
    *(other_frame, whole_nested),
)
_PACKED = (
    *(packed, packed_in_parts, packed_twice, packed_and_damaged, packed_with_another_end, misnamed),
    *(zipped, zipped_to_trick, zipped_and_damaged),
)
