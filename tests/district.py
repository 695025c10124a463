"""What a district has, in small: a REST interface and a database; and the factory that lands it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from conftest import REPOSITORY
from deepkt_irt.azure.factory.documents import FACTORY as DOCUMENTS
from deepkt_irt.azure.factory.documents import read_factory
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS
from local_server import listening

FACTORY = read_factory(REPOSITORY / DOCUMENTS)
LAKE, BLOB = "https://lake.dfs.core.windows.net", "https://lake.blob.core.windows.net"
MONDAY, TUESDAY = "2026-03-02T02:00:00Z", "2026-03-03T02:00:00Z"
TOLD = {
    "catalog": "main",
    "schemas": "bronze=b",
    "models": "sakt=m",
    "experiments": "sakt=e",
    "prompts": "explain=p",
    "settings": "defaults",
}
# quotes, commas, line breaks and other alphabets must survive the way through CSV
ODD = 'says "½, not 2"\nand more'


def response(number: int, day: int, **more: object) -> dict[str, object]:
    answered = f"2026-03-{day:02d}T08:00:{number:02d}Z"
    known = {"student_id": f"s{number % 3}", "item_id": f"i{number}", "correct": number % 2}
    times = {"answered_at": answered, "recorded_at": answered}
    return dict.fromkeys(COPIED_COLUMNS) | known | times | more


ROWS = [response(n, 1, skill_names=ODD) for n in range(5)] + [response(n, 2) for n in range(7)]


@contextmanager
def learning_system(rows: list[dict], page: int = 2) -> Iterator[str]:
    """A REST interface that gives rows by the time they were recorded, page by page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {key: value[0] for key, value in parse_qs(split.query).items()}
            found = [r for r in rows if query["since"] <= r["recorded_at"] < query["until"]]
            start = int(query.get("from", 0))
            following = f"&from={start + page}"
            base = f"http://{self.headers['Host']}{self.path.partition('&from=')[0]}"
            body = {
                "responses": found[start : start + page],
                "next": base + following if start + page < len(found) else None,
            }
            content = json.dumps(body).encode()
            self.send_response(200 if split.path == "/responses" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with listening(Handler) as address:
        yield address


def database(rows: list[dict]):
    """Answers the pipeline's query from a database with the view it asks for."""
    columns = [*COPIED_COLUMNS, "recorded_at"]
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("ATTACH ':memory:' AS dbo")
    connection.execute(f"CREATE TABLE dbo.deepkt_responses ({', '.join(columns)})")
    marks = ", ".join(f":{column}" for column in columns)
    insert = f"INSERT INTO dbo.deepkt_responses VALUES ({marks})"  # noqa: S608 - our own names
    connection.executemany(insert, rows)

    def query(text: str) -> tuple[list[str], list[tuple]]:
        cursor = connection.execute(text)
        return [each[0] for each in cursor.description], cursor.fetchall()

    return query
