"""Alerts fire where they must and only there; a figure is the same wherever it is asked."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deepkt_irt.dashboards.alerts import alerts
from deepkt_irt.dashboards.measures import MEASURES
from deepkt_irt.dashboards.writing import files
from deepkt_irt.jobs.status import read_status
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, MODEL_EVALUATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.gold_items import ITEM_HEALTH
from deepkt_irt.tables.ops import LLM_CALLS, PIPELINE_RUNS
from deepkt_irt.tables.silver import ITEMS, USERS
from looking import counters_of, marts_of, tables_of

pytestmark = pytest.mark.spark

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
SETTINGS = Settings()
ALERTS = alerts(SETTINGS.alerts)


def run(task, hours_ago, **more):
    ended = NOW - timedelta(hours=hours_ago)
    return {"run_id": f"{task}{hours_ago}", "task": task, "outcome": "succeeded",
            "started_at": ended - timedelta(minutes=1), "ended_at": ended} | more  # fmt: skip


def delivery(hours_ago, refused):
    metrics = {"rows_read": 100.0, "rows_quarantined": float(refused)}
    return run("ingest_bronze", hours_ago, rows_in=100, metrics=metrics)


def evaluation(days_ago, auc, ece):
    return {"evaluation_id": f"e{days_ago}", "model_name": "sakt", "model_version": str(days_ago),
            "evaluated_at": NOW - timedelta(days=days_ago), "auc": auc, "ece": ece,
            "is_champion": days_ago > 0, "champion_before": None if days_ago else "7"}  # fmt: skip


def explained(n, outcome, days_ago=1):
    return {"student_key": f"s{n}", "skill_id": "k", "audience": "teacher", "outcome": outcome,
            "model": "gpt", "sources": [("S1", "c", "t")], "offline_reason": "the model refused"
            if outcome == "offline" else None,
            "explained_at": NOW - timedelta(days=days_ago)}  # fmt: skip


def called(cost, days_ago=0):
    return {"call_id": f"c{cost}", "outcome": "answered", "cost_usd": cost, "input_tokens": 7,
            "requested_at": NOW - timedelta(days=days_ago)}  # fmt: skip


def health(n, drift):
    return {"item_id": f"s:{n}", "status": "good", "reasons": [], "drift_status": drift}


STUDENTS = [f"s{n}" for n in range(10)]
OFFERS = [{"student_key": key, "rank": 1, "item_id": "s:q"} for key in STUDENTS]
QUIET = {
    PIPELINE_RUNS: [run("publish_report", 29), delivery(71, 5), run("train_sakt", 200)],
    MODEL_EVALUATIONS: [evaluation(7, 0.75, 0.02), evaluation(0, 0.735, 0.035)],
    ITEM_HEALTH: [health(n, "act" if n == 0 else "stable") for n in range(20)]
    + [health(99, "insufficient_data")],
    RAG_EXPLANATIONS: [explained(n, "offline" if n == 0 else "verified") for n in range(5)],
    LLM_CALLS: [called(12.0), called(13.0, days_ago=1), called(99.0, days_ago=2)],
    USERS: [{"student_key": key, "class_keys": ["a"], "n_events": 9} for key in STUDENTS],
    ITEMS: [{"item_id": "s:q", "source_item_id": "q", "skill_ids": []}],
    STUDENT_MASTERY: [
        {"student_key": key, "skill_id": "k", "model_version": "7"} for key in STUDENTS
    ],
    BANDIT_RECOMMENDATIONS: OFFERS[1:],
    BANDIT_DECISIONS: [{"decision_id": "d", "student_key": "s1", "rank": 1}],
    BANDIT_REWARDS: [{"decision_id": "d", "reward": 0.5}],
}
LOUD = {
    "failed_task": {PIPELINE_RUNS: [*QUIET[PIPELINE_RUNS],
                                    run("train_sakt", 1, outcome="failed")]},
    "late_run": {PIPELINE_RUNS: [run("publish_report", 31), delivery(71, 5)]},
    "stale_data": {PIPELINE_RUNS: [run("publish_report", 29), delivery(73, 5)]},
    "quarantine_share": {PIPELINE_RUNS: [run("publish_report", 29), delivery(71, 6)]},
    "auc_drop": {MODEL_EVALUATIONS: [evaluation(7, 0.75, 0.02), evaluation(0, 0.725, 0.02)]},
    "ece_rise": {MODEL_EVALUATIONS: [evaluation(7, 0.75, 0.02), evaluation(0, 0.75, 0.045)]},
    "drifting_items": {ITEM_HEALTH: [health(n, "act" if n < 2 else "stable") for n in range(20)]},
    "abstained_explanations": {RAG_EXPLANATIONS: [
        explained(n, "offline" if n < 2 else "verified") for n in range(5)]},
    "token_spend": {LLM_CALLS: [called(12.0), called(13.5, days_ago=1)]},
    "without_recommendation": {BANDIT_RECOMMENDATIONS: OFFERS[2:]},
}  # fmt: skip


def value_of(alert, read):
    """What the alert's query gives over some tables."""
    mart = marts_of(read)[alert.mart]
    now = f"TIMESTAMP '{NOW:%Y-%m-%d %H:%M:%S}'"
    query = alert.query().replace("current_timestamp()", now)
    rows = mart.sparkSession.sql(query, **{alert.mart: mart}).collect()
    return rows[0]["value"] if rows else None


def test_every_alert_has_a_lake_that_fires_it():
    assert LOUD.keys() == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_fires_on_what_it_is_for(frame, alert):
    value = value_of(alert, tables_of(frame, QUIET | LOUD[alert.name]))

    assert alert.fires(value), value


@pytest.fixture(scope="module")
def quiet(spark):
    def build(table, rows):
        schema = ", ".join(f"{c.name} {c.type}" for c in table.columns)
        return spark.createDataFrame(
            [tuple(row.get(name) for name in table.column_names) for row in rows], schema
        )

    return tables_of(build, QUIET)


@pytest.fixture(scope="module")
def status(quiet):
    """Asked once: it looks at every view."""
    return read_status(quiet, SETTINGS, now=NOW)


def test_no_alert_fires_on_a_lake_that_is_well(status):
    assert status.firing == ()
    assert [alert.name for alert, value in status.alerts if value is None] == []
    values = {alert.name: value for alert, value in status.alerts}
    assert values["late_run"] == pytest.approx(29)
    assert values["auc_drop"] == pytest.approx(0.015)
    assert values["token_spend"] == pytest.approx(25)


def test_what_is_not_known_fires_nothing(frame):
    found = read_status(tables_of(frame, {}), SETTINGS, now=NOW)

    assert found.firing == ()
    known = {alert.name for alert, value in found.alerts if value is not None}
    assert known == {"failed_task"}  # no task ever failed: that is known


def test_a_failure_of_a_task_that_is_no_longer_run_is_no_news(frame):
    alert = next(each for each in ALERTS if each.name == "failed_task")
    rows = [*QUIET[PIPELINE_RUNS], run("recommend_changed", 24 * 9, outcome="failed")]

    assert value_of(alert, tables_of(frame, QUIET | {PIPELINE_RUNS: rows})) == 0


def test_before_anybody_is_scored_counts_of_people_and_items_are_not_known(frame):
    unscored = QUIET | {STUDENT_MASTERY: [], BANDIT_RECOMMENDATIONS: [], ITEM_HEALTH: []}

    found = read_status(tables_of(frame, unscored), SETTINGS, now=NOW)

    assert found.firing == ()
    unknown = {each.name for each, value in found.figures if value is None}
    assert unknown == {"students_needing_help", "students_without_item", "items_to_mend",
                       "items_to_watch", "items_drifting"}  # fmt: skip


def test_a_figure_is_the_same_in_status_and_dashboards(quiet, status):
    told = {each.name: value for each, value in status.figures}
    counters = {
        name: query
        for path, text in files().items()
        if path.endswith(".lvdash.json")
        for name, query in counters_of(json.loads(text))
    }
    marts = marts_of(quiet)
    for name, mart in marts.items():
        mart.createOrReplaceTempView(name)
    asked = (
        f"SELECT '{name}' AS name, CAST(value AS double) AS value FROM ({query})"  # noqa: S608
        for name, query in counters.items()
    )

    rows = marts["operations"].sparkSession.sql(" UNION ALL ".join(asked)).collect()

    counted = {row["name"]: row["value"] for row in rows}
    assert counted.keys() == {each.name for each in MEASURES}
    assert counted == pytest.approx(told)
    assert None not in told.values()
