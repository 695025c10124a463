"""Everything this package raises on purpose.

DeepktError                  caught only by the command line: exit code 1
├── UsageError               a setting, flag or name is wrong or contradictory: exit code 2
├── BadFile                  an input file cannot be read as what it should be
├── SourceStopped            a source could not go on; the others were carried through
├── DamagedTable             a table's files were cut off or changed from outside
├── DamagedCheckpoint        a stream's checkpoint was cut off or changed from outside
├── SchemaMismatch           a frame differs from its declared table
├── QualityViolation         a declared check failed on too many rows
├── UndeclaredAccess         a task touched a table or model it did not declare
├── NotTrained               predictions asked of a model that does not exist yet
├── ModelRefused             a trained model leaks, or is none that may be registered
├── NoConvergence            an estimator stopped before it converged
├── NoData                   there is nothing to work on
├── AnotherRun               another run writes, or meanwhile wrote, what this one writes
└── BackendUnavailable       an outside system did not answer or cannot be written
"""

from collections.abc import Sequence
from pathlib import Path


class DeepktError(Exception):
    """Base of all errors that end in one clear line."""


class UsageError(DeepktError):
    """A setting, flag or name is wrong or contradictory."""


class BadFile(DeepktError):
    """An input file cannot be read as what it should be.

    The message quotes the file, which may hold anything: it stays one line that can be printed.
    """

    def __init__(self, file: str, problem: str, fix: str, columns: Sequence[str] = ()) -> None:
        super().__init__(_printable(f"{file}: {_shortened(problem)}; {fix}"))
        self.columns = tuple(columns)  # those it lacks


class SourceStopped(DeepktError):
    """A source could not go on; all that the others brought was carried through."""

    def __init__(self, lines: Sequence[str]) -> None:
        what = "a source is" if len(lines) == 1 else f"{len(lines)} sources are"
        super().__init__(f"{what} stopped, the others were carried through: {' | '.join(lines)}")


class DamagedTable(DeepktError):
    """A table's files were cut off, by a full disk say, or changed from outside."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(
            _printable(
                f"{file}: this file of a table's log is damaged ({_shortened(problem)}); put it "
                "back from a copy of the lake. Without one, a table of silver or gold is worked "
                "out again once its folder is deleted, but bronze only by a new lake from the "
                "landing files"
            )
        )


class DamagedCheckpoint(DeepktError):
    """The folder from which a stream goes on was cut off, by a full disk say, or changed."""

    def __init__(self, checkpoint: Path, file: Path) -> None:
        super().__init__(
            f"{file}: this part of a stream's checkpoint is damaged or gone; delete {checkpoint} "
            "and run again, no file is read twice"
        )


class SchemaMismatch(DeepktError):
    """A frame does not have the columns or types its table declares."""

    def __init__(self, table: str, differences: Sequence[str]) -> None:
        super().__init__(f"{table}: {'; '.join(differences)}")
        self.differences = tuple(differences)


class QualityViolation(DeepktError):
    """A declared check failed on too many rows."""

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(f"{subject}: {problem}")


class UndeclaredAccess(DeepktError):
    """A task touched a table or model that its declaration does not name."""

    def __init__(self, task: str, verb: str, name: str) -> None:
        super().__init__(f"task {task} {verb} {name} without declaring it")


class NotTrained(DeepktError):
    """Predictions were asked of a model without a champion version."""

    def __init__(self, model: str) -> None:
        super().__init__(f"model {model} has no champion version; run its training task first")


class ModelRefused(DeepktError):
    """A trained model must not be registered."""

    def __init__(self, model: str, reasons: Sequence[str]) -> None:
        super().__init__(f"model {model} is not registered: {'; '.join(reasons)}")
        self.reasons = tuple(reasons)


class NoConvergence(DeepktError):
    """An estimator stopped before it converged."""


class NoData(DeepktError):
    """There is nothing to work on."""


class AnotherRun(DeepktError):
    """Another run writes, or meanwhile wrote, what this one writes."""


class BackendUnavailable(DeepktError):
    """An outside system did not answer or cannot be written."""


_LONGEST_PROBLEM = 600  # characters


def _shortened(text: str) -> str:
    half = _LONGEST_PROBLEM // 2
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[:half]} … {text[-half:]}"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def to_install(extras: str) -> str:
    """How packages that extras bring are installed; this one lies on no package index.

    Args:
        extras: Names of extras, by comma.
    """
    environment = ".venv-connect" if extras == "connect" else ".venv"
    return (
        f"run make {environment}/.ready in the repository, or give pip the file of the wheel: "
        f"pip install 'deepkt_irt-VERSION-py3-none-any.whl[{extras}]'"
    )
