"""The three AI/BI dashboards."""

from deepkt_irt.dashboards.items import ITEMS
from deepkt_irt.dashboards.operations import OPERATIONS
from deepkt_irt.dashboards.teaching import TEACHING
from deepkt_irt.dashboards.widgets import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (TEACHING, ITEMS, OPERATIONS)
