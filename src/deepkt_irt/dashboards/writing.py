"""Writes what is checked in of dashboards and alerts: `python -m deepkt_irt.dashboards.writing`.

With `--check` it writes nothing and ends with 1 if a file is not what it would write.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from deepkt_irt.dashboards import power_bi, tableau, workbook
from deepkt_irt.dashboards.ai_bi import DASHBOARDS
from deepkt_irt.dashboards.alerts import Alert, alerts
from deepkt_irt.dashboards.widgets import Dashboard, as_json
from deepkt_irt.settings import Settings
from deepkt_irt.tables.registry import views

_MADE = "# Made by `make docs` from src/deepkt_irt/dashboards; do not edit.\n"
_WAREHOUSE = "${resources.sql_warehouses.queries.id}"
_SCHEMA = "${resources.schemas.gold.name}"
# who opens which dashboard, beside engineers, who may look at all that a target deploys
# (`permissions` of databricks.yml); whose rows they see there is a matter of the views
_READERS = {
    "teaching": ("teachers", "analysts", "engineers"),
    "items": ("teachers", "analysts", "engineers"),
    "operations": ("analysts", "engineers"),
}
_DAY = 24 * 60 * 60  # seconds after which an alert that still fires is told again
# what they ask changes once a day, and each time wakes the warehouse: after the daily job must have
# ended, and twice more for what is late, stopped or expensive by then
_ASKED = "0 15 6,12,18 * * ?"


def files() -> dict[str, str]:
    """What each file holds, by its path in the repository."""
    names = {view.name: view.name for view in views(Settings())}
    made = {
        f"dashboards/ai_bi/{each.name}.lvdash.json": json.dumps(as_json(each, names), indent=2)
        + "\n"
        for each in DASHBOARDS
    }
    return {
        **made,
        **power_bi.files(),
        **tableau.files(),
        **workbook.files(),
        "resources/looking.dashboards.yml": _resource(
            "dashboards", {each.name: _dashboard(each) for each in DASHBOARDS}
        ),
        "resources/monitoring.alerts.yml": _resource(
            "alerts", {each.name: _alert(each) for each in alerts(Settings().alerts)}
        ),
    }


def _resource(kind: str, resources: dict[str, Any]) -> str:
    written = yaml.safe_dump(
        {"resources": {kind: resources}}, sort_keys=False, width=100, allow_unicode=True
    )
    return _MADE + written


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "display_name": f"deepkt-irt {dashboard.title} (${{var.instance}})",
        "file_path": f"../dashboards/ai_bi/{dashboard.name}.lvdash.json",
        "warehouse_id": _WAREHOUSE,
        "dataset_catalog": "${var.catalog}",
        "dataset_schema": _SCHEMA,
        "embed_credentials": False,  # each sees what the own rights show
        "permissions": _readable_by(*_READERS[dashboard.name]),
    }


def _readable_by(*groups: str) -> list[dict[str, str]]:
    return [{"level": "CAN_READ", "group_name": f"${{var.{group}}}"} for group in groups]


def _alert(alert: Alert) -> dict[str, Any]:
    names = {view.name: f"`${{var.catalog}}`.`{_SCHEMA}`.{view.name}" for view in views(Settings())}
    return {
        "display_name": f"deepkt-irt {alert.title} (${{var.instance}})",
        "custom_summary": f"{alert.title}: {alert.says}",
        "custom_description": f"What to do: docs/operations.md, under {alert.title}.",
        "query_text": alert.query().format(**names),
        "warehouse_id": _WAREHOUSE,
        "schedule": {
            "quartz_cron_schedule": _ASKED,
            "timezone_id": "UTC",
            "pause_status": "${var.alert_pause_status}",
        },
        "evaluation": {
            "source": {"name": "value"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": float(alert.threshold)}},
            "empty_result_state": "OK",  # no row: not known yet; UNKNOWN is to be withdrawn
            "notification": {
                "notify_on_ok": True,
                "retrigger_seconds": _DAY,
                "subscriptions": "${var.alert_subscriptions}",
            },
        },
        "permissions": _readable_by("engineers"),
    }


def main(folder: Path = Path()) -> int:
    """Write the files below a folder, or check them."""
    made = files()
    stale = [path for path, text in made.items() if _read(folder / path) != text]
    if "--check" in sys.argv[1:]:
        sys.stderr.writelines(f"{path} is out of date: run make docs\n" for path in stale)
        return int(bool(stale))
    for path in stale:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(made[path], "utf-8")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
