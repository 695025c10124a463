"""Holds a demo lake against the truth it was simulated from.

Shows how well difficulties were recovered, how often their 95% intervals hold the truth, and
the AUC of each model on held-out students beside the best possible, that of the true chances.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from deepkt_irt.jobs.opening import Target, open_runner
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import MODEL_EVALUATIONS, SAKT_PREDICTIONS
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore
from page import REPOSITORY, CannotRunError, table

SOURCE = "simulator:"


def section(lake: Path = REPOSITORY / "lake") -> str:
    """The section of the page; the lake is one that `deepkt demo` made."""
    if not (lake / "truth" / "truth_items.csv").exists():
        raise CannotRunError(f"no demo lake with its truth at {lake}: run `deepkt demo`")
    store = open_runner(Target(lake=lake), settings=Settings()).store
    figures = {**difficulties(store, lake), **predictions(store, lake)}
    rows = [(name, _shown(value)) for name, value in figures.items()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "pyspark"))
    return f"""## Recovery of a simulated district's truth

Data: `deepkt demo` with its defaults (300 students, 160 items, seed 7); test students by hash,
every graded response once; one training seed; {versions}.

{table(("figure", "value"), rows)}

The truth is 3PL, with slopes around 1, guessing on about a third of the items, abilities that grow,
and items that drift; the calibration is 1PL at this size, since an item needs 500 first attempts
for a slope of its own. Its intervals therefore hold the truth of guessable items less often than
95%. The best possible AUC is that of the chances the simulator drew the answers from.
"""


def _shown(value: float) -> str:
    """Counts as whole numbers, the rest with three digits."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3f}"


def difficulties(store: TableStore, lake: Path) -> dict[str, float]:
    """Recovered against true difficulties: of all items, and of those the 1PL can fit."""
    truth = pd.read_csv(lake / "truth" / "truth_items.csv")
    found = store.read(ITEM_PARAMETERS).toPandas()
    found = found[found["calibration_version"] == found["calibration_version"].max()]
    found["problem_id"] = found["item_id"].str.removeprefix(SOURCE)
    both = found.merge(truth, on="problem_id")
    plain = both[(both["c"] == 0) & both["drift_at"].isna()]
    return {
        **_recovery(both, "all items"),
        **_recovery(plain, "items without guessing or drift"),
    }


def _recovery(both: pd.DataFrame, which: str) -> dict[str, float]:
    error = both["difficulty"] - both["b"]
    inside = error.abs() < 1.96 * both["difficulty_se"]
    return {
        f"{which}: n": len(both),
        f"{which}: correlation": float(np.corrcoef(both["difficulty"], both["b"])[0, 1]),
        f"{which}: RMSE": float(np.sqrt((error**2).mean())),
        f"{which}: mean error": float(error.mean()),
        f"{which}: coverage of 95% intervals": float(inside.mean()),
    }


def predictions(store: TableStore, lake: Path) -> dict[str, float]:
    """AUC on the test students: the true chances beside every model evaluated."""
    predicted = store.read(SAKT_PREDICTIONS).filter("event_id IS NOT NULL AND split = 'test'")
    events = store.read(CANONICAL_LEARNING_EVENTS).select("event_id", "assignment_id")
    scored = predicted.join(events, "event_id").toPandas()
    truth = pd.read_csv(lake / "truth" / "truth_responses.csv")
    truth["item_id"] = SOURCE + truth["problem_id"]
    truth["assignment_id"] = SOURCE + truth["assignment_log_id"]
    keys = ["assignment_id", "item_id"]
    both = scored.merge(truth, on=keys, suffixes=("", "_true"))
    right = both["correct"].to_numpy(dtype=float)
    figures = {
        "test responses": len(both),
        "test responses without a truth": len(scored) - len(both),
        "AUC best possible": auc(right, both["p_correct_true"].to_numpy(dtype=float)),
        "AUC sakt on the same responses": auc(right, both["p_correct"].to_numpy(dtype=float)),
    }
    latest = store.read(MODEL_EVALUATIONS).toPandas()
    for row in latest.to_dict("records"):
        figures[f"AUC {row['model_name']} as evaluated"] = row["auc"]
    return {name: float(value) for name, value in figures.items() if value is not None}


if __name__ == "__main__":
    print(section())
