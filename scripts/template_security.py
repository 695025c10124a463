"""Runs checkov over the Bicep templates, and fails also where it is silent of what it missed.

    python scripts/template_security.py CHECKOV [FOLDER]

By itself checkov ends well when a file cannot be parsed or a check breaks. CHECKOV is the program,
in an environment of its own, because its versions clash with this project's.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# checks that break on sound templates; each with what looks in its stead
NOT_RUN = {
    "CKV_AZURE_189": "breaks where a condition decides; the rule access_is_private sees its value",
}
FOLDER = Path(__file__).resolve().parents[1] / "infra" / "bicep"


def main() -> int:
    """Run it, and say what it found."""
    program, *rest = sys.argv[1:]
    folder = Path(rest[0]) if rest else FOLDER
    command = [program, "--framework", "bicep", "--skip-download", "--compact"]
    ended = subprocess.run(  # noqa: S603 - the program the caller named
        [*command, "--skip-check", ",".join(NOT_RUN), "-d", str(folder), "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(ended.stdout)
    except json.JSONDecodeError:
        sys.stderr.write(f"checkov gave no report:\n{ended.stderr}\n")
        return 1
    problems = list(problems_of(report, ended.stderr))
    for each in report["results"]["skipped_checks"]:
        reason = each["check_result"].get("suppress_comment", "")
        sys.stdout.write(f"skipped {each['check_id']} at {each['resource']}: {reason}\n")
    for check, reason in NOT_RUN.items():
        sys.stdout.write(f"not run {check}: {reason}\n")
    counts = report["summary"]
    names = ("passed", "failed", "skipped", "parsing_errors")
    sys.stdout.write(f"checkov: {', '.join(f'{counts[name]} {name}' for name in names)}\n")
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def problems_of(report: dict, errors: str) -> list[str]:
    """What is wrong, a line each."""
    found = [
        f"{each['check_id']} {each['check_name']}: {each['resource']}, {each['file_path']}"
        for each in report["results"]["failed_checks"]
    ]
    if report["summary"]["parsing_errors"]:
        found.append(f"cannot be parsed: {', '.join(report['results']['parsing_errors'])}")
    if not report["summary"]["resource_count"]:
        found.append("no resource was found")
    broken = re.findall(r"Failed to run check (\S+) on (\S+)", errors)
    found += [f"check {check} broke on {where}" for check, where in sorted(set(broken))]
    return found


if __name__ == "__main__":
    sys.exit(main())
