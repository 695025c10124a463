"""The only file that makes a Spark session: local, through Connect, or on Databricks.

Local means one process with Delta (`java.py` has the Java and the jars it needs). Where
databricks-connect is installed, or SPARK_REMOTE names a Spark Connect server, the session is a
remote one.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import util
from types import FrameType
from typing import TYPE_CHECKING

from deepkt_irt import java
from deepkt_irt.errors import BackendUnavailable, to_install
from deepkt_irt.java import Profile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REMOTE_VARIABLE = "SPARK_REMOTE"

# What plans of small tables cost is mostly not their rows: planning anew between stages, a plan
# drawn for a page nobody opens.
_SMALL_PLANS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.ui.explainMode": "simple",
}
# Compiling a query takes longer than it saves where its rows are few.
_NO_COMPILING = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}

_SETTINGS_OF: dict[Profile, dict[str, str]] = {
    "small": {**_SMALL_PLANS, **_NO_COMPILING},
    "steady": {**_SMALL_PLANS, **_NO_COMPILING},
    "medium": _SMALL_PLANS,
    "large": {},
}


def on_databricks() -> bool:
    """Whether this process runs inside a Databricks cluster or serverless task."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def local_session(
    *, profile: Profile = "small", memory: str = "3g", more: Mapping[str, str] | None = None
) -> "SparkSession":
    """Start Spark with Delta in this process, or return the one already running.

    Args:
        profile: `small` starts fast, for tens of thousands of rows; `steady` is faster on them
            after a minute, `medium` on hundreds of thousands, `large` on millions.
        memory: Heap of the JVM, in Spark's notation.
        more: Spark settings beside ours.

    Raises:
        BackendUnavailable: If Spark, Java or the Delta jars are missing.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"Spark is not installed: {to_install('local')}"
        raise BackendUnavailable(need) from error

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ.update(java.environment())
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else workers take PATH's python3
    builder = SparkSession.builder.master("local[*]").appName("deepkt-irt")
    for key, value in {**_local_settings(profile, memory), **(more or {})}.items():
        builder = builder.config(key, value)
    with _output_to_stderr():
        session = builder.getOrCreate()
    _interrupt_cleanly()
    return session


def _interrupt_cleanly() -> None:
    """Let Spark's handler of interrupts cancel all jobs on a thread of its own.

    On the main one it asks the JVM amid another question, and fails at that.
    """
    of_spark = signal.getsignal(signal.SIGINT)
    if not callable(of_spark) or threading.current_thread() is not threading.main_thread():
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        def cancel() -> None:
            with suppress(KeyboardInterrupt):
                of_spark(number, frame)

        asking = threading.Thread(target=cancel, daemon=True)
        asking.start()
        asking.join()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)


@contextmanager
def _output_to_stderr() -> Iterator[None]:
    """What a process started here prints goes to standard error; ours is for machines, too."""
    ours = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def _local_settings(profile: Profile, memory: str) -> dict[str, str]:
    return {
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in java.delta_jars()),
        "spark.driver.extraJavaOptions": java.jvm_options(profile),
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4" if profile == "large" else "2",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.databricks.delta.snapshotPartitions": "1",
        # a merge goes over its source twice, and what differs is worked out once
        "spark.databricks.delta.merge.materializeSource": "all",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **_SETTINGS_OF[profile],
    }


def workspace_session() -> "SparkSession":
    """The session of a Databricks cluster or serverless task, or a remote one from an IDE.

    Raises:
        BackendUnavailable: If neither can be had.
    """
    if on_databricks():
        from pyspark.sql import SparkSession  # noqa: PLC0415 - the cluster's own

        return SparkSession.builder.getOrCreate()
    if connect_installed() or REMOTE_VARIABLE in os.environ:
        return remote_session()
    raise BackendUnavailable(
        "a catalog was named but databricks-connect is not installed: give --lake for a local "
        f"run, or in an environment of its own {to_install('connect')}"
    )


def folder_session(*, profile: Profile = "small") -> "SparkSession":
    """The session for a lake folder: local, or a Connect server that sees the folder.

    Raises:
        BackendUnavailable: If no Spark here can reach a folder.
    """
    if REMOTE_VARIABLE in os.environ:
        return remote_session()
    if connect_installed():
        raise BackendUnavailable(
            "databricks-connect has no local Spark, so it reaches no lake folder: give --catalog, "
            f"or another environment; {to_install('local')}"
        )
    return local_session(profile=profile)


def connect_installed() -> bool:
    """Whether databricks-connect takes pyspark's place in this environment."""
    try:
        return util.find_spec("databricks.connect") is not None
    except ModuleNotFoundError:  # not even the package above it
        return False


def remote_session() -> "SparkSession":
    """A session through Spark Connect, to SPARK_REMOTE or the configured workspace.

    Raises:
        BackendUnavailable: If there is no server, or no way to authenticate.
    """
    if connect_installed():
        from databricks.connect import DatabricksSession  # noqa: PLC0415 - an extra

        builder = DatabricksSession.builder
    else:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - absent where Connect is installed

        builder = SparkSession.builder.remote(os.environ[REMOTE_VARIABLE])
    try:
        session: SparkSession = builder.getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
    except Exception as error:  # gRPC, SDK and Spark raise what they like, Exception itself too
        first = (str(error).splitlines() or [type(error).__name__])[0]
        server = os.environ.get(REMOTE_VARIABLE)
        raise BackendUnavailable(
            f"no Spark Connect server answers at {server}: {first}"
            if server
            else f"no Spark Connect session: {first}; name a profile in DATABRICKS_CONFIG_PROFILE "
            f"or a server in {REMOTE_VARIABLE}"
        ) from error
    return session
