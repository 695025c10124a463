"""Names a job hands to its tasks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.names import Names, parse_names
from deepkt_irt.jobs.opening import CATALOGS_VARIABLE, Target, parse_as_of
from deepkt_irt.tables.contract import Layer


def test_parse_names_reads_pairs_and_leaves_the_rest_plain():
    names = parse_names(
        schemas="bronze=dev_jo_bronze, gold=dev_jo_gold",
        models="sakt=main.dev_jo_gold.sakt",
        experiments="sakt=/Shared/deepkt-irt/[dev jo] sakt-training",
        prompts="explanation=main.dev_jo_gold.explanation",
    )

    assert names.schema(Layer.BRONZE) == "dev_jo_bronze"
    assert names.schema(Layer.SILVER) == "silver"
    assert names.models == {"sakt": "main.dev_jo_gold.sakt"}
    assert names.experiments == {"sakt": "/Shared/deepkt-irt/[dev jo] sakt-training"}
    assert names.prompts == {"explanation": "main.dev_jo_gold.explanation"}
    assert parse_names() == Names()


@pytest.mark.parametrize("text", ["bronze", "=x", "bronze=", "bronze=a,bronze=b"])
def test_parse_names_other_than_pairs_are_refused(text):
    with pytest.raises(UsageError, match="--models"):
        parse_names(models=text)


@pytest.mark.parametrize("text", ["copper=x", "bronze=a`; DROP", "bronze=main.bronze"])
def test_parse_names_schema_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="layers are bronze"):
        parse_names(schemas=text)


def test_place_of_catalog_keeps_files_in_the_named_schemas():
    place = Place.of_catalog("main", parse_names(schemas="bronze=b1,ops=o1"))

    assert place.landing == Path("/Volumes/main/b1/landing")
    assert place.content == Path("/Volumes/main/b1/content")
    assert place.embedders == Path("/Volumes/main/gold/embedders")
    assert place.checkpoints == Path("/Volumes/main/o1/checkpoints")
    assert place.report_path.parent == Path("/Volumes/main/o1/reports")


def test_target_catalog_is_a_folder_only_where_the_environment_says_so(monkeypatch, tmp_path):
    target = Target(catalog="main")
    monkeypatch.delenv(CATALOGS_VARIABLE, raising=False)
    assert target.folder is None
    monkeypatch.setenv(CATALOGS_VARIABLE, str(tmp_path))
    assert target.folder == tmp_path / "main"


def test_target_catalog_with_a_quote_is_refused():
    with pytest.raises(UsageError, match="letters, digits"):
        Target(catalog="main`; DROP")


def test_only_tasks_with_models_take_model_names():
    def flags(name):
        return set(SCRIPTS[name].job_flags)

    assert "--models" not in flags("ingest_bronze")
    assert {"--models", "--experiments"} <= flags("train_sakt")
    assert "--models" in flags("score_students")
    assert "--experiments" not in flags("score_students")
    assert {"--prompts", "--experiments"} <= flags("explain_students")
    assert "--prompts" not in flags("train_sakt")
    assert "--schemas" in flags("transform_silver")


def test_parse_as_of_takes_the_instant_as_jobs_give_it():
    assert parse_as_of("2026-03-01T02:00:00.123") == datetime(
        2026, 3, 1, 2, 0, 0, 123000, tzinfo=UTC
    )
