"""Which Java local Spark starts, and which class archive its options name."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from deepkt_irt import java
from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.jobs import class_archive, doctor


def fake_java(home, *, build="17.0.15+6"):
    """A JAVA_HOME whose `java` says which build it is."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    said = f'openjdk version "{build.split("+")[0]}"'
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\necho '(build {build})' >&2\n")
    program.chmod(0o755)
    return home


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An environment, a Java and three jars, all in the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "java")))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    delta = tmp_path / "cache" / "deepkt-irt" / "ivy" / "jars"
    for jar in (*(delta / name for name in java._JARS), tmp_path / "spark" / "jars" / "core.jar"):
        jar.parent.mkdir(parents=True, exist_ok=True)
        jar.write_bytes(b"classes")
        os.utime(jar, (1_700_000_000, 1_700_000_000))
    return tmp_path


def archive_made(machine):
    archive = java.class_archive()
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"archive")
    java.note_size(archive)
    return archive


def test_java_version_is_the_major_one(tmp_path):
    home = fake_java(tmp_path / "java", build="21.0.2+13")

    assert java.java_version(str(home / "bin" / "java")) == 21
    assert java.java_version(str(tmp_path / "none")) is None


def test_java_that_is_new_enough_is_taken_as_it_is(machine):
    assert java.environment() == {}
    assert java.java_program() == str(machine / "java" / "bin" / "java")


def test_class_archive_lies_in_the_environment_under_the_same_name_each_time(machine):
    archive = java.class_archive()

    assert archive == java.class_archive()
    assert archive.parent == machine / "environment" / "share" / "deepkt-irt"


@pytest.mark.parametrize(
    "jar", ["spark/jars/core.jar", f"cache/deepkt-irt/ivy/jars/{java._JARS[0]}"]
)
def test_class_archive_has_another_name_once_a_jar_was_touched(machine, jar):
    before = java.class_archive()
    os.utime(machine / jar, (1_700_000_001, 1_700_000_001))

    assert java.class_archive() != before


def test_class_archive_has_another_name_with_a_jar_more(machine):
    before = java.class_archive()
    (machine / "spark" / "jars" / "more.jar").write_bytes(b"classes")

    assert java.class_archive() != before


def test_class_archive_has_another_name_for_another_build_of_java(machine, monkeypatch):
    before = java.class_archive()
    monkeypatch.setenv("JAVA_HOME", str(fake_java(machine / "newer", build="17.0.16+8")))

    assert java.class_archive() != before


@pytest.mark.parametrize("profile", ["small", "steady", "medium", "large"])
def test_options_name_the_archive_only_where_it_lies(machine, profile):
    assert "-XX:SharedArchiveFile" not in java.jvm_options(profile)

    archive = archive_made(machine)

    assert f"-XX:SharedArchiveFile={archive}" in shlex.split(java.jvm_options(profile))


def test_archive_that_was_cut_off_is_not_used(machine):
    """The JVM would crash on it (SIGBUS)."""
    archive = archive_made(machine)
    archive.write_bytes(b"arch")

    assert "-XX:SharedArchiveFile" not in java.jvm_options("small")


def test_options_for_making_name_no_archive_to_start_from(machine):
    archive_made(machine)
    options = shlex.split(java.jvm_options("small", making=Path("/a b/new.jsa")))

    assert "-XX:ArchiveClassesAtExit=/a b/new.jsa" in options
    assert not [option for option in options if "SharedArchiveFile" in option]


def test_make_replaces_archives_of_other_jars(machine, monkeypatch):
    monkeypatch.setattr(class_archive, "_run_warm_up", lambda to: to.write_bytes(b"new") and "")
    old = archive_made(machine)
    os.utime(machine / "spark" / "jars" / "core.jar", (1_700_000_001, 1_700_000_001))

    made = class_archive.make()

    assert {path.stem for path in made.parent.iterdir()} == {made.stem}
    assert java.is_whole(made)
    assert made != old


def test_make_leaves_alone_what_lies_there(machine, monkeypatch):
    monkeypatch.setattr(class_archive, "_run_warm_up", lambda _: pytest.fail("made anew"))
    archive = archive_made(machine)

    assert class_archive.make() == archive
    assert archive.read_bytes() == b"archive"


def test_make_says_why_the_jvm_made_none_and_keeps_what_there_is(machine, monkeypatch):
    monkeypatch.setattr(class_archive, "_run_warm_up", lambda _: "Archive is unsupported")
    old = archive_made(machine)
    os.utime(machine / "spark" / "jars" / "core.jar", (1_700_000_001, 1_700_000_001))

    with pytest.raises(BackendUnavailable, match="no class archive was made; Archive is unsupp"):
        class_archive.make()
    assert java.is_whole(old)
    assert {path.stem for path in old.parent.iterdir()} == {old.stem}


def test_make_names_the_folder_it_cannot_write(machine):
    (machine / "environment").write_text("a file, where a folder is wanted")

    with pytest.raises(BackendUnavailable, match=r"Not a directory: .*share"):
        class_archive.make()


def test_doctor_says_how_to_make_the_archive_and_then_where_it_is(machine):
    before = doctor._class_archive()
    archive = archive_made(machine)

    assert before.ok
    assert "python -m deepkt_irt.jobs.class_archive makes it" in before.found
    assert doctor._class_archive().found == str(archive)


def test_installed_runtime_gets_its_base_archive_once(machine, monkeypatch):
    runtime = fake_java(machine / "runtime", build="17.0.9+9")
    program, counted = runtime / "bin" / "java", machine / "dumps"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && { echo \'version "17"\' >&2; exit; }\n'
        f'echo "$@" >> {counted}\nmkdir -p {runtime}/lib/server\n'
        f"echo base > {runtime}/lib/server/classes.jsa\n"
    )
    monkeypatch.setattr(java, "_bundled_runtime", lambda: runtime)

    java.ensure_base_archive()  # the machine's own Java is not touched
    assert not counted.exists()

    monkeypatch.setenv("JAVA_HOME", str(fake_java(machine / "old", build="11.0.1+1")))
    java.ensure_base_archive()
    java.ensure_base_archive()
    assert counted.read_text() == "-Xshare:dump\n"
