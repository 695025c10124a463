"""The run of checkov fails also where checkov by itself would end well."""

import json
import subprocess
import sys

import pytest

from conftest import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "template_security.py"
SOUND = {"passed": 2, "failed": 0, "skipped": 0, "parsing_errors": 0, "resource_count": 2}
FAILED = {"check_id": "CKV_1", "check_name": "Closed", "resource": "x.y", "file_path": "/a.bicep"}


def judged(tmp_path, *, summary=SOUND, failed=(), unread=(), errors=""):
    """Ends the script over a stand-in that prints this report."""
    results = {"failed_checks": failed, "skipped_checks": [], "parsing_errors": unread}
    report = json.dumps({"results": results, "summary": summary})
    program = tmp_path / "checkov"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{report}\nEND\necho '{errors}' >&2\n")
    program.chmod(0o755)
    command = [sys.executable, str(SCRIPT), str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_sound_templates_pass(tmp_path):
    ended = judged(tmp_path)

    assert ended.returncode == 0
    assert "checkov: 2 passed, 0 failed, 0 skipped, 0 parsing_errors" in ended.stdout


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"failed": [FAILED]}, "CKV_1 Closed: x.y, /a.bicep"),
        ({"summary": {**SOUND, "parsing_errors": 1}, "unread": ["/b.bicep"]}, "parsed: /b.bicep"),
        ({"summary": {**SOUND, "resource_count": 0}}, "no resource was found"),
        ({"errors": "Failed to run check CKV_2 on a.bicep:x.y"}, "CKV_2 broke on a.bicep:x.y"),
    ],
    ids=["failed", "not parsed", "nothing seen", "check that breaks"],
)
def test_what_checkov_passes_over_fails(tmp_path, report, said):
    ended = judged(tmp_path, **report)

    assert ended.returncode == 1
    assert said in ended.stderr
