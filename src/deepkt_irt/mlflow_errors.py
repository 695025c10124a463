"""MLflow without its chatter, and its errors as ours."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from deepkt_irt.errors import BackendUnavailable


@contextmanager
def absent_is_none() -> Iterator[None]:
    """Passes over MLflow's complaint that something does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import

    try:
        yield
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise


@contextmanager
def quietly(doing: str) -> Iterator[None]:
    """Without MLflow's chatter; its errors and the database's become ours."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # it also prints what it registered
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with MLflow

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            first = str(error).splitlines()[0]
            raise BackendUnavailable(f"MLflow could not {doing}: {first}") from error
