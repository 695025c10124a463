"""How pipelines and their activities ended, and what started them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deepkt_irt.azure.factory.conditions import SKIPPED
from deepkt_irt.azure.factory.expressions import Json


@dataclass(frozen=True)
class ActivityRun:
    """How one activity ended.

    Attributes:
        status: Succeeded, Failed or Skipped.
        inputs: Its properties with all values.
        output: What later expressions see as its output.
        error: errorCode, message, failureType and target; None unless it failed.
        iteration: Number of the loop's iteration, from 0; None outside loops.
        attempts: How often it was tried.
    """

    name: str
    type: str
    status: str
    inputs: Json = None
    output: Json = None
    error: Mapping[str, str] | None = None
    iteration: int | None = None
    attempts: int = 0


@dataclass(frozen=True)
class PipelineRun:
    """How a pipeline ended.

    Attributes:
        activities: Its activities in the order they started, skipped ones where they stood.
        children: Runs of the pipelines it called.
        message: Why it failed.
    """

    pipeline: str
    run_id: str
    status: str
    parameters: Mapping[str, Json]
    activities: tuple[ActivityRun, ...]
    children: tuple["PipelineRun", ...] = ()
    message: str | None = None

    def of(self, name: str) -> tuple[ActivityRun, ...]:
        """The runs of one activity, several in a loop."""
        return tuple(each for each in self.activities if each.name == name)

    @property
    def order(self) -> list[str]:
        """Names of the activities that ran."""
        return [each.name for each in self.activities if each.status != SKIPPED]


@dataclass(frozen=True)
class Trigger:
    """What started a pipeline; `caller` is what the pipeline that called it adds."""

    name: str
    type: str
    time: datetime
    caller: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
