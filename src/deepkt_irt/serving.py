"""Models as MLflow's pyfunc sees them, for serving outside the pipeline."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from deepkt_irt.knowledge_tracing.scoring import Scorer, score_candidates
from deepkt_irt.knowledge_tracing.sequences import windows_of


class SaktService(PythonModel):
    """Chance of a right answer on one next item, for a history that training never saw.

    Input columns: item_indexes, correct (arrays over the history, oldest first),
    skill_indexes (array of arrays), asked_item (int), asked_skills (array).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights."""
        self._scorer = Scorer.load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002 - MLflow's signature
    ) -> list[float]:
        """Probabilities, one per row."""
        return [self._one(row) for row in model_input.to_dict("records")]

    def _one(self, row: dict[Hashable, Any]) -> float:
        history = pd.DataFrame([{**row, "student_key": "", "window_index": 0}]).assign(
            context_length=0, split="test"
        )
        windows = windows_of(history)
        skills = np.asarray(row["asked_skills"], dtype=np.int64)
        width = max(windows.skills.shape[1], len(skills), 1)
        item = np.array([row["asked_item"]], dtype=np.int64)
        table = np.zeros((int(item[0]) + 1, width), dtype=np.int64)
        table[item[0], : len(skills)] = skills
        return float(score_candidates(self._scorer, windows, [item], table)[0][0])
