"""What a whole run with a language model lets out of its tables about students: nothing."""

import logging
import re
import shutil

import pytest

from deepkt_irt.governance.byte_search import byte_search
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.ops import LLM_CALLS
from deepkt_irt.tables.silver import STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from fake_azure_openai import serving
from faulty_model import FaultyModel

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

TEST_STUDENT = "test"  # stands in paths and code


def test_no_student_is_named_in_requests_logs_indexes_or_the_model_store(
    spark, demo_lake, tmp_path, monkeypatch, capfd, caplog
):
    lake = shutil.copytree(demo_lake, tmp_path / "lake")
    store = TableStore(spark, lake=lake)
    people = [(row["student_key"], row["student_id"]) for row in store.read(STUDENT_KEYS).collect()]
    named = {text for both in people for text in both} - {TEST_STUDENT}
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-a-test")
    capfd.readouterr()

    with serving(FaultyModel(share=0.2, seed=3)) as service, caplog.at_level(logging.DEBUG):
        script = SCRIPTS["explain_students"]
        chat = f"chat.provider=azure_openai,chat.base_url={service.base_url}"
        quick = "chat.timeout_seconds=0.6,chat.tokens_per_minute=100000000"
        limits = "chat.requests_per_minute=3000"
        flags = ["--lake", str(lake), "--as-of", "2026-03-01T02:00", "--set"]
        script.run(script.parser().parse_args([*flags, f"{chat},{quick},{limits}"]))
        sent = b"\n".join(service.books.raw) + repr(service.books.headers).encode()

    store = TableStore(spark, lake=lake)  # the run made a table
    told = store.read(RAG_EXPLANATIONS).groupBy("outcome").count()
    outcomes = {row["outcome"]: row["count"] for row in told.collect()}
    assert len(people) > 80
    assert len(service.books.requests) == store.read(LLM_CALLS).count() > 100
    assert outcomes["verified"] > 50
    anybody = re.compile("|".join(map(re.escape, sorted(named))))
    shown = capfd.readouterr()
    assert anybody.search(sent.decode()) is None
    assert anybody.search(shown.out + shown.err + caplog.text) is None
    found = byte_search([lake], {text: text for text in named}, besides=about_students(lake))
    assert found.n_files > 50
    assert found.hits == []


def about_students(lake):
    """Where students stand by contract: rows about them, files they came in, a page on some."""
    tables = lake / "tables"
    gold = [each for each in (tables / "gold").iterdir() if not each.name.startswith("content_")]
    layers = [tables / name for name in ("bronze", "silver", "restricted", "ops/quarantine")]
    return [*layers, *gold, *(lake / name for name in ("landing", "truth", "report.html"))]
