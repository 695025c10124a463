"""What is kept of a training and of a registered version: where it comes from, what it is worth."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

_COMMIT_VARIABLE = "DEEPKT_COMMIT"
_LONGEST_TAG = 1000  # characters that Unity Catalog takes
_SERVING_PACKAGES = ("numpy", "pandas", "pydantic", "scipy", "torch")
TRAINING_KEY = "training_key"
DECISION, REASONS, DECIDED_AT = "decision", "decision_reasons", "decided_at"


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        model: Name without catalog.
        number: Version in the registry.
        run_id: MLflow run that made it.
    """

    model: str
    number: str
    run_id: str


@dataclass(frozen=True)
class VersionFacts:
    """A registered version with what is known of it.

    Attributes:
        version: Which one.
        registered_at: When, UTC.
        metrics: Last figures of its run; empty where the run was deleted.
        tags: Where it comes from, and what was decided of it.
        is_champion: Whether it scores students.
    """

    version: Version
    registered_at: datetime
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    is_champion: bool


@dataclass(frozen=True)
class TableRead:
    """A version of a table that a training read.

    Attributes:
        name: `schema.table` as the registry of tables calls it.
        version: Delta version.
        folder: Where it lies in a lake; None in a catalog.
        full_name: `catalog.schema.table`; None in a lake.
    """

    name: str
    version: int
    folder: str | None = None
    full_name: str | None = None


@dataclass(frozen=True)
class Provenance:
    """Where a version comes from; kept as its tags.

    Attributes:
        protocol: How its figures are taken.
        data_version: Names the content it was trained on.
        cohort: `cohort_hash` of the students it was trained on.
        tables: What was read; the run has them as its inputs.
        commit: Of the code; empty where nobody says.
    """

    protocol: str
    data_version: str
    cohort: str
    tables: Sequence[TableRead] = ()
    commit: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """As tags; what is not known is left out."""
        versions = ",".join(sorted(f"{each.name}={each.version}" for each in self.tables))
        known = {
            "protocol": self.protocol,
            "data_version": self.data_version,
            "cohort": self.cohort,
            "table_versions": versions,
            "git_commit": self.commit,
        }
        return {key: fitting(value) for key, value in known.items() if value}


def cohort_hash(student_keys: Iterable[str]) -> str:
    """Names a set of students: the same set gives the same, and nobody can be found in it."""
    joined = "\n".join(sorted(set(student_keys)))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def commit_of_environment() -> str:
    """The commit that the deployment names in `DEEPKT_COMMIT`; empty if it names none."""
    return os.environ.get(_COMMIT_VARIABLE, "")


def serving_requirements() -> tuple[str, ...]:
    """What a served model needs besides this package's code, pinned as it is installed here.

    A build's own mark, as in 2.8.0+cpu, is left off: public registries have none.
    """
    pins = ((name, version(name).partition("+")[0]) for name in _SERVING_PACKAGES)
    return tuple(f"{name}=={number}" for name, number in pins)


@dataclass(frozen=True)
class Training:
    """What there is to keep of a training.

    Attributes:
        key: Names data, settings and code; the same training is never registered twice.
        params: Settings.
        metrics: Final figures.
        history: Figures per epoch, in order.
        requirements: What the model needs to be served besides this package's code, as pip takes
            it; `serving_requirements` for those of this package.
        provenance: Where it comes from.
    """

    key: str
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    requirements: Sequence[str]
    provenance: Provenance | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the version."""
        return {TRAINING_KEY: self.key, **(self.provenance.tags if self.provenance else {})}


def fitting(value: str) -> str:
    """A tag's value, cut where it is longer than a registry takes."""
    return value if len(value) <= _LONGEST_TAG else f"{value[: _LONGEST_TAG - 1]}…"
