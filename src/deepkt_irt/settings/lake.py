"""What is read, and how it becomes events and sequences."""

from typing import Self

from pydantic import Field, model_validator

from deepkt_irt.settings.frozen import Frozen


class SimulatorSettings(Frozen):
    """A simulated district."""

    n_students: int = Field(300, ge=10, description="students besides `test`")
    n_items: int = Field(160, ge=20, description="practice and unit-test items together")
    seed: int = Field(7, ge=0, description="determines every value written")


class IngestSettings(Frozen):
    """Reading landing files."""

    max_field_characters: int = Field(100_000, ge=100, description="longer fields are quarantined")
    max_unpacked_bytes: int = Field(
        16 * 2**30, ge=1, description="more out of one gz or zip file: it is refused"
    )
    max_unpacked_ratio: int = Field(
        200, ge=1, description="unpacked by packed bytes; more, and above 64 MiB: it is refused"
    )  # logs of answers pack 5 to 50 times, a file of one character 1,032 times
    changed_type_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="rows of a delivery refused for one column, from which its type has changed",
    )


class StreamSettings(Frozen):
    """Taking in files as they land; decides when something is worked out, never what."""

    trigger_seconds: float = Field(
        30.0, ge=0, description="from the start of a round to the start of the next, at least"
    )
    score_seconds: float = Field(
        300.0, ge=0, description="between rounds that score students and recommend items, at least"
    )
    late_days: float = Field(
        7.0, gt=0, description="events that come in later are counted as late, and taken as others"
    )
    rests: str = Field(
        "",
        pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$",
        description="hours of the day, UTC, without rounds, as 01:55-04:00; empty: none",
    )


_ACCOUNT = r"^(sourced_id|username|email|identifier|user_id:[^\s{}:,]+)$"
_ONE_OF = "sourced_id, username, email, identifier, or user_id:TYPE for an entry of userIds"


class RosterSettings(Frozen):
    """How people of a roster meet those of other systems."""

    student: str = Field(
        "sourced_id",
        pattern=_ACCOUNT,
        description=f"what learning systems call a student by: {_ONE_OF}",
    )
    teacher: str = Field(
        "email", pattern=_ACCOUNT, description="what a teacher signs in to the workspace by"
    )


class SplitSettings(Frozen):
    """Students in thousandths of the hash range."""

    validation_permille: int = Field(100, ge=1, le=400, description="students for early stopping")
    test_permille: int = Field(200, ge=1, le=500, description="students held out")
    n_folds: int = Field(5, ge=2, description="cross-validation folds")


class SequenceSettings(Frozen):
    """Windows over whole histories."""

    length: int = Field(200, ge=4, description="positions in a window, context included")
    context: int = Field(100, ge=0, description="leading positions already scored before")

    @model_validator(mode="after")
    def _context_fits(self) -> Self:
        if self.context >= self.length:
            raise ValueError(f"context={self.context} must be below length={self.length}")
        return self


class BehaviourSettings(Frozen):
    """What is seen in how a question was answered, and when enough was seen to say so."""

    min_latencies: int = Field(10, ge=2, description="fewer on an item: its usual time is unknown")
    shortest_ms: int = Field(
        300, ge=0, description="a shorter time is one of the logging, not of a person: not known"
    )  # simple reactions alone take about 200 ms: Woods et al. (2015), Front. Hum. Neurosci. 9:131
    rapid_share: float = Field(
        0.15, gt=0, lt=1, description="of an item's median time; a faster answer is a rapid guess"
    )  # normative threshold, Wise and Ma (2012); the share: docs/decisions/0013
    longest_rapid_ms: int = Field(
        10_000, ge=1, description="no answer slower than this is a rapid guess"
    )  # Wise and Ma (2012)
    fast_share: float = Field(
        0.33, gt=0, lt=1, description="of the median; a faster wrong answer may be given to get on"
    )
    longest_fast_ms: int = Field(20_000, ge=1, description="no answer slower than this is fast")
    min_chain_hints: int = Field(2, ge=1, description="hints down to the answer that are a chain")
    min_responses: int = Field(
        20, ge=1, description="questions that could be judged; fewer: no verdict on a student"
    )
    notable_rate: float = Field(
        0.10, gt=0, lt=1, description="share of questions with a pattern that is pointed out"
    )  # response-time effort below .90: Wise and Kong (2005), Appl. Meas. Educ. 18, 163-183

    @model_validator(mode="after")
    def _rapid_is_fast(self) -> Self:
        if self.rapid_share > self.fast_share or self.longest_rapid_ms > self.longest_fast_ms:
            raise ValueError("rapid_share and longest_rapid_ms must not exceed those of fast")
        return self
