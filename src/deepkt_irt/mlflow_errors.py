"""MLflow without its chatter, and its errors as ours."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from deepkt_irt.errors import BackendUnavailable

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"})


@contextmanager
def absent_is_none() -> Iterator[None]:
    """Passes over MLflow's complaint that something does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import

    try:
        yield
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise


@contextmanager
def quietly(doing: str) -> Iterator[None]:
    """Without MLflow's chatter; its errors and the database's become ours."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # it also prints what it registered
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except _failures() as error:
            first = str(error).splitlines()[0]
            raise BackendUnavailable(f"MLflow could not {doing}: {first}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What MLflow raises, and the database below it, which a workspace does not need."""
    try:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import
    except ModuleNotFoundError:
        return (OSError, ModuleNotFoundError)
    try:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - absent beside mlflow-skinny
    except ModuleNotFoundError:
        return (MlflowException, OSError, ModuleNotFoundError)
    return (MlflowException, SQLAlchemyError, OSError, ModuleNotFoundError)
