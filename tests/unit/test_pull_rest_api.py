"""Pulls from a REST interface that pages, fails and lies: what lands is whole, once, in order."""

import base64
import csv
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt import cli
from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.jobs.pull_sources import pull_one
from deepkt_irt.pulling.connection import RestApi
from deepkt_irt.pulling.http import Client
from deepkt_irt.pulling.pull import Pull
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.reader import records
from fake_rest_api import Served, serving

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
START = datetime(2026, 2, 1, tzinfo=UTC)
TIMES = {"kind": "time", "since": "since", "until": "until", "start": START}
NUMBERS = {"kind": "number", "since": "since_id", "member": "id"}
PAGES = {"kind": "next_url", "member": "next"}


def response(n, **more):
    at = (START + timedelta(hours=n)).isoformat()
    return {"id": n, "student_id": f"s{n % 3}", "item_id": f"i{n}", "correct": n % 2 == 1} | {
        "answered_at": at,
        **more,
    }


def paged(everything, size=4):
    """Answers page by page, each naming the address of the next."""

    def answer(asked, _):
        first = int(asked.query.get("from", 0))
        found = everything[first : first + size]
        more = f"/r?from={first + size}" if first + size < len(everything) else None
        return Served({"responses": found, "next": more})

    return answer


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def items(paths):
    return [row["item_id"] for path in paths for row in read(path)]


class Puller:
    """Pulls from a service into a folder, without waiting; keeps what it would have waited."""

    def __init__(self, folder):
        self.folder, self.waits, self.told = folder / "rest_api", [], []
        self.client = Client

    def __call__(self, service, *, now=NOW, chance=1.0, **changes):
        given = {
            "name": "quizzes",
            "url": f"{service.url}/r",
            "records": "responses",
            "pages": PAGES,
            "watermark": TIMES,
        }
        client = partial(self.client, sleep=self.waits.append, chance=lambda: chance)
        return Pull(
            RestApi.model_validate(given | changes),
            folder=self.folder,
            now=now,
            open_spark=lambda: pytest.fail("an interface needs no Spark"),
            open_client=client,
            on_progress=self.told.append,
        ).run()

    def refused(self, answer, **changes):
        """What is told where a pull from such a service ends with an error; nothing lands."""
        with serving(answer) as service, pytest.raises((BackendUnavailable, BadFile)) as told:
            self(service, **changes)
        assert self.everything == []
        return str(told.value)

    @property
    def everything(self):
        return sorted(each for each in self.folder.rglob("*") if each.is_file())


@pytest.fixture
def pull(tmp_path):
    return Puller(tmp_path)


def test_pages_land_as_one_file_that_the_source_reads(pull):
    skills = {"skill_ids": ["adding", "tens"], "score": 0.50, "answer": 'a;"b"\r\nc\0d'}
    everything = [response(1, **skills), *(response(n) for n in range(2, 10))]
    with serving(paged(everything)) as service:
        landed = pull(service)

    assert [each.relative_to(pull.folder).as_posix() for each in landed] == [
        "2026-03-01/quizzes_20260201T000000000000Z_20260301T015900000000Z.csv"
    ]
    assert items(landed) == [f"i{n}" for n in range(1, 10)]
    source = source_named("rest_api")
    layout = layout_of_landed(source, landed[0])
    first, *others = records(landed[0], layout, max_field_characters=1_000)
    assert first.kept["skill_ids"] == "adding;tens"
    assert first.kept["score"] == "0.5"
    assert first.kept["answer"] == 'a;"b"\r\nc\\x00d'
    assert [each.reason for each in others] == [""] * 8
    assert [(asked.query["since"], asked.query["until"]) for asked in service.asked[:1]] == [
        ("2026-02-01T00:00:00Z", "2026-03-01T01:59:00Z")
    ]


@pytest.mark.parametrize(
    "pages",
    [
        PAGES,
        {"kind": "cursor", "member": "meta.cursor", "parameter": "from"},
        {"kind": "link"},
        {"kind": "offset", "parameter": "from"},
        {"kind": "page", "parameter": "page"},
    ],
    ids=lambda pages: pages["kind"],
)
def test_every_way_of_paging_brings_every_record_once(pull, pages):
    everything = [response(n) for n in range(10)]

    def answer(asked, _):
        number = int(asked.query.get("page", 1)) - 1
        first = int(asked.query.get("from", 3 * number))
        found, last = everything[first : first + 3], first + 3 >= len(everything)
        url = f"http://{asked.headers['host']}/r?a=1,2&from={first + 3}"
        cursor = None if last else str(first + 3)
        link = f'<{url}>; title="a, b"; rel="last next", <{url}0>; rel=prev'
        headers = {} if last or pages["kind"] != "link" else {"Link": link}
        body = {"responses": found, "meta": {"cursor": cursor}, "next": None if last else url}
        return Served(body, headers=headers)

    with serving(answer) as service:
        landed = pull(service, pages=pages, parameters={"course": "math"})

    assert items(landed) == [f"i{n}" for n in range(10)]
    counted = pages["kind"] in {"offset", "page"}
    assert len(service.asked) == (5 if counted else 4)  # a count ends where a page is empty
    assert service.asked[0].query["course"] == "math"


def test_fields_are_found_by_member_and_absent_ones_stay_missing(pull):
    told = {"learner": {"id": "ann"}, "item": {"key": 7}, "right": 1, "when": 1_767_258_000.25}
    fields = {"student_id": "learner.id", "item_id": "item.key", "correct": "right"}
    with serving(lambda *_: Served([told])) as service:
        (landed,) = pull(
            service, records="", pages={"kind": "none"}, fields={**fields, "answered_at": "when"}
        )

    (row,) = read(landed)
    assert {name: value for name, value in row.items() if value} == {
        "student_id": "ann",
        "item_id": "7",
        "correct": "1",
        "answered_at": "1767258000.25",
    }


def test_the_next_pull_goes_on_where_files_end_with_the_overlap(pull):
    with serving(paged([response(1)])) as service:
        pull(service)
        later = pull(service, now=NOW + timedelta(days=1))

    assert [asked.query["since"] for asked in service.asked] == [
        "2026-02-01T00:00:00Z",
        "2026-03-01T00:59:00Z",
    ]
    assert later[0].parent.name == "2026-03-02"


def test_nothing_new_lands_nothing_and_moves_no_watermark(pull):
    with serving(paged([])) as service:
        assert pull(service) == []
        pull(service, now=NOW + timedelta(days=1))

    assert [asked.query["since"] for asked in service.asked] == ["2026-02-01T00:00:00Z"] * 2
    assert pull.everything == []
    assert pull.told == ["quizzes: nothing new"] * 2


def test_a_long_history_comes_file_by_file_and_goes_on_where_it_was_cut_off(pull):
    def answer(asked, number):
        if number == 2:
            return Served({}, status=403)
        day = datetime.fromisoformat(asked.query["since"])
        return Served({"responses": [response(0, item_id=f"i{day:%d}")]})

    watermark = TIMES | {"window_days": 10, "overlap_seconds": 0}
    with serving(answer) as service:
        with pytest.raises(BackendUnavailable, match=r"answered 403; check auth"):
            pull(service, watermark=watermark)
        assert items(pull.everything) == ["i01", "i11"]
        assert items(pull(service, watermark=watermark)) == ["i21"]


def test_numbers_begin_at_the_greatest_that_landed(pull):
    everything = [response(n) for n in (7, 5, 9)]

    def answer(asked, _):
        since = int(asked.query["since_id"])
        return Served({"responses": [each for each in everything if each["id"] >= since]})

    with serving(answer) as service:
        (first,) = pull(service, watermark=NUMBERS)
        assert pull(service, watermark=NUMBERS | {"overlap": 2}) == []  # 9 is known
        everything.append(response(12))
        (second,) = pull(service, watermark=NUMBERS | {"overlap": 2})

    assert (first.name, second.name) == ("quizzes_n0_n10.csv", "quizzes_n8_n13.csv")
    assert items([second]) == ["i9", "i12"]


FAULTS = {
    "500": lambda: Served({}, status=500),
    "503": lambda: Served(b"busy", status=503),
    "cut": lambda: Served({"responses": [response(99)] * 9}, ending="cut"),
    "reset": lambda: Served({}, ending="reset"),
    "no json": lambda: Served(b'{"responses": ['),
    "deep json": lambda: Served(b"[" * 100_000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_asked_again_and_changes_nothing(pull, fault):
    everything = [response(n) for n in range(9)]
    whole = paged(everything)

    def answer(asked, number):
        return FAULTS[fault]() if number in {1, 2, 4} else whole(asked, number)

    with serving(answer) as service:
        landed = pull(service)

    assert items(landed) == [f"i{n}" for n in range(9)]
    assert pull.waits == [1.0, 2.0, 1.0]
    assert [each.name for each in pull.everything] == [landed[0].name]


def test_a_fault_that_stays_is_told_and_lands_nothing(pull):
    told = pull.refused(lambda *_: Served({}, status=502), chance=0.0)

    assert "/r: answered 502 (tried 6 times); run again later" in told
    assert pull.waits == [0.5, 1.0, 2.0, 4.0, 8.0]  # half of it is chance


def test_retry_after_is_heeded_as_seconds_and_as_a_date(pull):
    def answer(asked, number):
        if number == 0:
            return Served({}, status=429, headers={"Retry-After": "17"})
        if number == 1:
            later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
            return Served({}, status=503, headers={"Retry-After": later})
        if number == 2:
            return Served({}, status=429, headers={"Retry-After": "soon"})
        return Served({"responses": [response(1)]})

    with serving(answer) as service:
        assert items(pull(service)) == ["i1"]

    seconds, date, nonsense = pull.waits
    assert (seconds, nonsense) == (17.0, 4.0)
    assert 85 < date <= 90


def test_a_wait_beyond_the_limit_is_not_waited(pull):
    busy = Served({}, status=429, headers={"Retry-After": "3600"})

    assert "(tried once, asks to wait 3,600 s)" in pull.refused(lambda *_: busy)
    assert pull.waits == []


def test_pages_in_a_circle_are_refused(pull):
    def answer(asked, _):
        n = int(asked.query.get("from", 0))
        return Served({"responses": [response(n)], "next": f"/r?from={n % 3 + 1}"})

    assert "page 5 comes again, so they run in a circle" in pull.refused(answer)
    assert "page 3 is one too many" in pull.refused(answer, max_pages=2)


def test_a_page_that_comes_twice_is_taken_once(pull):
    def answer(asked, _):
        n = int(asked.query.get("from", 0))
        more = f"/r?from={n + 1}" if n < 3 else None
        return Served({"responses": [response(n if n != 2 else 1)], "next": more})

    with serving(answer) as service:
        assert items(pull(service)) == ["i0", "i1", "i3"]
    assert "quizzes page 3: the same as a page before, not taken again" in pull.told


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_a_count_of_pages_that_is_not_heard_is_refused(pull, kind):
    same = Served({"responses": [response(1)]})

    told = pull.refused(lambda *_: same, pages={"kind": kind, "parameter": "p"})

    assert "page 2: the same as a page before, so the parameter p is not heard" in told


def test_a_page_that_is_too_large_is_refused(pull):
    everything = paged([response(n) for n in range(4)])

    assert "a page of more than 100 bytes" in pull.refused(everything, max_page_bytes=100)
    assert pull.waits == []


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ({"data": []}, "quizzes page 1: no list at responses; check records"),
        ({"responses": {}}, "no list at responses"),
        ({"responses": [[1]]}, "record 1 at responses is no object"),
        ({"responses": [response(1, skill_ids=["a;b"])]}, "record 1: skill_ids holds ';'"),
    ],
)
def test_answers_of_another_shape_are_refused_by_page_and_record(pull, answered, told):
    assert told in pull.refused(lambda *_: Served(answered))


def test_numbers_need_a_number(pull):
    seven = Served({"responses": [{"id": "seven"}]})

    told = pull.refused(lambda *_: seven, watermark=NUMBERS)

    assert "quizzes page 1 record 1: no whole number at id" in told


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"kind": "bearer", "token": {"env": "QUIZ_TOKEN"}}, ("authorization", "Bearer t0ken")),
        (
            {"kind": "header", "header": "X-Api-Key", "value": {"env": "QUIZ_TOKEN"}},
            ("x-api-key", "t0ken"),
        ),
    ],
)
def test_the_secret_is_in_the_header_of_every_request_and_nowhere_else(
    pull, auth, header, monkeypatch
):
    monkeypatch.setenv("QUIZ_TOKEN", "t0ken")
    with serving(paged([response(n) for n in range(9)])) as service:
        pull(service, auth=auth)

    name, value = header
    assert [asked.headers[name] for asked in service.asked] == [value] * 3
    assert all("t0ken" not in path.read_text() + path.name for path in pull.everything)


def test_a_redirect_is_not_followed_and_another_host_not_asked(pull, monkeypatch):
    monkeypatch.setenv("QUIZ_TOKEN", "t0ken")
    auth = {"kind": "bearer", "token": {"env": "QUIZ_TOKEN"}}
    with serving(lambda *_: Served({"responses": []})) as other:
        away = f"{other.url}/r?session=1"
        moved = Served({}, status=302, headers={"Location": away})
        elsewhere = Served({"responses": [response(1)], "next": away})

        of_moved = pull.refused(lambda *_: moved, auth=auth)
        of_elsewhere = pull.refused(lambda *_: elsewhere, auth=auth)

        def disguised(asked, _):  # some read the one host, some the other
            named = away.replace("/r", f"\\@{asked.headers['host']}/r")
            return Served({"responses": [response(1)], "next": named})

        of_disguised = pull.refused(disguised, auth=auth)

    assert "answered 302, another address" in of_moved
    assert "session" not in of_moved
    assert "other hosts are not asked" in of_elsewhere
    assert "other hosts are not asked" in of_disguised
    assert other.asked == []


class TokenServer:
    """Gives tokens by client credentials; each is good for some pages."""

    def __init__(self, pages_a_token, expires_in=3_600):
        self.pages_a_token, self.expires_in, self.tokens, self.used = (
            pages_a_token,
            expires_in,
            0,
            0,
        )
        self.whole = paged([response(n) for n in range(20)])

    def __call__(self, asked, number):
        if asked.path == "/token":
            self.tokens, self.used = self.tokens + 1, 0
            return Served({"access_token": f"t{self.tokens}", "expires_in": self.expires_in})
        self.used += 1
        is_good = asked.headers.get("authorization") == f"Bearer t{self.tokens}"
        if not is_good or self.used > self.pages_a_token:
            return Served({}, status=401)
        return self.whole(asked, number)


def oauth(service, **more):
    return {
        "kind": "oauth2",
        "token_url": f"{service.url}/token",
        "client_id": "deep kt",
        "client_secret": {"env": "QUIZ_TOKEN"},
        "scope": "read",
        **more,
    }


def test_a_token_is_fetched_once_and_again_when_it_ended_early(pull, monkeypatch):
    monkeypatch.setenv("QUIZ_TOKEN", "t0ken/")
    with serving(TokenServer(pages_a_token=2)) as service:
        assert len(items(pull(service, auth=oauth(service)))) == 20

    fetched = [asked for asked in service.asked if asked.path == "/token"]
    assert len(fetched) == 3  # five pages, two a token
    assert fetched[0].body == "grant_type=client_credentials&scope=read"
    pair = base64.b64decode(fetched[0].headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "deep%20kt:t0ken%2F"


def test_a_token_is_renewed_before_it_ends_and_the_client_may_be_named_in_the_body(
    pull, monkeypatch
):
    monkeypatch.setenv("QUIZ_TOKEN", "t0ken")
    with serving(TokenServer(pages_a_token=99, expires_in=20)) as service:
        pull(service, auth=oauth(service, client_in="body"))

    fetched = [asked for asked in service.asked if asked.path == "/token"]
    assert len(fetched) == 5
    assert fetched[0].body.endswith("&scope=read&client_id=deep+kt&client_secret=t0ken")


def test_a_token_that_is_never_good_is_told(pull, monkeypatch):
    monkeypatch.setenv("QUIZ_TOKEN", "t0ken")
    service = TokenServer(pages_a_token=0)
    with serving(service) as tokens:
        told = pull.refused(service, auth=oauth(tokens))

    assert "/r: answered 401; check auth" in told
    assert service.tokens == 2


def test_a_pull_killed_while_it_wrote_is_made_again_whole(pull):
    with serving(paged([response(n) for n in range(9)])) as service:
        day = pull.folder / "2026-03-01"
        day.mkdir(parents=True)
        (day / "_quizzes_20260201T000000000000Z_x.csv.part").write_text("student_id\nann")
        other = day / "_other_20260201T000000000000Z_x.csv.part"
        other.write_text("of another connection")

        landed = pull(service)
        again = pull(service)

    assert (len(items(landed)), again) == (9, [])
    assert pull.everything == sorted([*landed, other])


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(pull):
    def answer(asked, number):
        if number == 0:
            time.sleep(0.5)
        return Served({"responses": [response(1)]})

    with serving(answer) as service:
        assert items(pull(service, timeout_seconds=0.2)) == ["i1"]
    assert pull.waits == [1.0]


def write_connection(folder, service):
    path = folder / "quizzes.toml"
    path.write_text(f"""
        name = "quizzes"
        url = "{service.url}/r"
        records = "responses"
        pages = {{kind = "next_url", member = "next"}}
        watermark = {{kind = "time", since = "since", until = "until", start = {START.isoformat()}}}
    """)
    return path


def test_run_pulls_what_a_connection_file_names_before_it_runs_the_tasks(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(cli, "_run_all", lambda lake, *_, **__: ran.append(lake))
    with serving(paged([response(n) for n in range(6)])) as service:
        path = write_connection(tmp_path, service)
        run = ["run", "--source", "rest_api", "--data", str(path), "--lake", str(tmp_path / "lake")]
        cli.main([*run, "--as-of", "2026-03-01T02:00", "--quiet"])
        with pytest.raises(SystemExit, match="2"):
            cli.main([*run, "--map", "student_id=pupil"])

    landed = sorted((tmp_path / "lake" / "landing").rglob("*.csv"))
    assert len(items(landed)) == 6
    assert ran == [tmp_path / "lake"]


def test_no_instant_is_pulled_up_to_that_is_still_to_come(tmp_path):
    with serving(paged([response(1)])) as service:
        path = write_connection(tmp_path, service)
        far = datetime(2999, 1, 1, tzinfo=UTC)
        pull_one(path, "rest_api", tmp_path / "lake", as_of=far, on_progress=print)

    untils = [asked.query["until"] for asked in service.asked]
    assert datetime.fromisoformat(untils[-1]) < datetime.now(UTC)


class Dying(Client):
    """A client whose process is killed when it asks for the page after the last it may have."""

    pages = 0

    def get(self, url):
        if self.pages == 0:
            raise KeyboardInterrupt
        self.pages -= 1
        return super().get(url)


@settings(max_examples=10, deadline=None)
@given(
    hours=st.lists(st.integers(0, 28 * 24), max_size=25),
    size=st.integers(1, 6),
    days=st.integers(5, 40),
    lives=st.lists(st.integers(0, 12), max_size=6),
)
def test_killed_at_any_page_and_made_again_it_brings_each_record_once(
    tmp_path_factory, hours, size, days, lives
):
    everything = [response(hour, item_id=f"i{n}") for n, hour in enumerate(hours)]

    def answer(asked, number):
        since, until = (datetime.fromisoformat(asked.query[name]) for name in ("since", "until"))
        at = [datetime.fromisoformat(each["answered_at"]) for each in everything]
        found = [each for each, t in zip(everything, at, strict=True) if since <= t < until]
        first = int(asked.query.get("from", 0))
        return Served({"responses": found[first : first + size]})

    pull = Puller(tmp_path_factory.mktemp("landing"))
    watermark = TIMES | {"window_days": days, "overlap_seconds": 0}
    changes = {"watermark": watermark, "pages": {"kind": "offset", "parameter": "from"}}
    with serving(answer) as service:
        for pages in lives:
            pull.client = type("DyingSoon", (Dying,), {"pages": pages})
            with suppress(KeyboardInterrupt):
                pull(service, **changes)
        pull.client = Client
        pull(service, **changes)

    assert sorted(items(pull.everything)) == sorted(each["item_id"] for each in everything)
