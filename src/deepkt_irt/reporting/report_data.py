"""What the report page shows, already counted; nothing here is computed from single events."""

from dataclasses import dataclass, field

from deepkt_irt.reporting.explanation_report import ExplanationReport
from deepkt_irt.reporting.help_today import ClassHelp
from deepkt_irt.reporting.item_data import Attention, Curve, Item, ItemDossier, MissingItems
from deepkt_irt.reporting.operations import Operations
from deepkt_irt.reporting.policy_report import PolicyReport
from deepkt_irt.reporting.source_report import SourceReport
from deepkt_irt.reporting.student_data import Student
from deepkt_irt.settings import HelpSettings


@dataclass(frozen=True)
class Overview:
    """The lake in figures.

    Attributes:
        as_of: Instant of the run, as text.
        run_id: The pipeline run.
        sources: Names of the source systems.
        counts: Label and number, in the order shown.
        period: First and last response as text; None if the sources give only an order.
        splits: Students by split.
        versions: Delta version by table, of the tables the page rests on.
    """

    as_of: str
    run_id: str
    sources: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    period: tuple[str, str] | None
    splits: tuple[tuple[str, int], ...]
    versions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class FileAccount:
    """One landing file: read = kept + quarantined."""

    source: str
    file: str
    read: int
    kept: int
    quarantined: int


@dataclass(frozen=True)
class StreamNote:
    """What the stream took in during the last day, and how long rows waited for it.

    Attributes:
        n_rounds: Rounds in which files came in.
        n_files: Files in them.
        n_rows: Rows in these.
        n_late: Events that were older than `stream.late_days`.
        median_seconds: From the arrival of a file to its events in silver: the median over rounds,
            of each round's median over rows.
        worst_seconds: The longest that any row waited.
        last: Instant of the last round, as text.
    """

    n_rounds: int
    n_files: int
    n_rows: int
    n_late: int
    median_seconds: float
    worst_seconds: float
    last: str


@dataclass(frozen=True)
class Refusal:
    """Rows refused for one kind of reason, with an example."""

    stage: str
    column: str
    example: str
    n: int


@dataclass(frozen=True)
class CalibrationNote:
    """How a calibration went, and whose scale it is on.

    Attributes:
        version: Of the calibration.
        n_responses: First attempts used.
        n_rapid: First attempts left out as rapid guesses.
        reliability: Empirical reliability of the abilities, 0 to 1.
        reference: Version whose scale it is on; None: its own.
        link: How it came there, as stocking_lord.
        n_anchors: Items that carry the link.
        n_screened: Items of both versions left out of it as having moved.
        refusal: Why there is no link; None if there is one or nothing to link to.
    """

    version: str
    n_responses: int
    n_rapid: int
    reliability: float
    reference: str | None
    link: str
    n_anchors: int
    n_screened: int
    refusal: str | None


@dataclass(frozen=True)
class Evaluation:
    """One model on the held-out students."""

    model: str
    version: str | None
    run_id: str | None
    auc: float | None
    interval: tuple[float, float] | None
    accuracy: float
    log_loss: float
    ece: float
    n_students: int
    n_responses: int
    is_champion: bool
    bins: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class Evaluations:
    """The latest evaluation of a registered model, with baselines on the same responses.

    Attributes:
        champion: As it was evaluated last, if that was before; None if it is among the models.
    """

    title: str
    protocol: str
    data_version: str
    seed: int
    models: tuple[Evaluation, ...]
    champion: Evaluation | None = None


@dataclass(frozen=True)
class Cell:
    """Mean mastery of a class on a skill; the mean is None in a small group."""

    mean: float | None
    n: int


@dataclass(frozen=True)
class HeatMap:
    """Classes by skills; `rows` has a label, a number of students, and a cell per skill."""

    skills: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[Cell, ...]], ...]
    n_skills_in_all: int
    n_classes_in_all: int
    classes_known: bool


@dataclass(frozen=True)
class ReportData:
    """The whole page.

    Attributes:
        calibration: The latest one; None if there is none.
        abilities: Lower end of each band of ability in logits, and students in it.
        ability_band: Width of the bands in logits.
        attention: Which items need it; None if item health has not been checked.
        item_pages: Flagged and telling items in detail.
        drift_cuts: Changes of difficulty from which an item is watched, and acted on, logits.
        missing_items: Where new items would tell most, most urgent first; None if not worked out.
        wanted_error: Standard error of a student's ability in a skill that they aim at, logits.
        help_today: Who needs help, by class; None if no mastery is known.
        help_settings: By which they were found.
        policy: How recommendations are decided and judged; None if none ever were.
        explanations: How they came out, and how their material is found.
        operations: How the tables' files are; None if they were never looked after.
        streaming: What the stream did lately; None if it took in nothing.
        missing: Sentences that say plainly what the data does not hold.
        sources: Which are stopped, and which of their columns changed.
    """

    overview: Overview
    files: tuple[FileAccount, ...]
    refusals: tuple[Refusal, ...]
    items: tuple[Item, ...]
    calibration: CalibrationNote | None
    abilities: tuple[tuple[float, int], ...]
    ability_band: float
    curves: tuple[Curve, ...]
    attention: Attention | None
    item_pages: tuple[ItemDossier, ...]
    drift_cuts: tuple[float, float]
    missing_items: tuple[MissingItems, ...] | None
    wanted_error: float
    evaluations: tuple[Evaluations, ...]
    heat_map: HeatMap | None
    students: tuple[Student, ...]
    help_today: tuple[ClassHelp, ...] | None = None
    help_settings: HelpSettings = field(default_factory=HelpSettings)
    policy: PolicyReport | None = None
    explanations: ExplanationReport = field(
        default_factory=lambda: ExplanationReport((), (), None, None)
    )
    operations: Operations | None = None
    streaming: StreamNote | None = None
    missing: tuple[str, ...] = field(default=())
    sources: SourceReport = field(default_factory=SourceReport)
