"""Measures and writes docs/benchmarks.md: `make bench`, or `make bench ONLY="recovery drift"`."""

import argparse
import importlib
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from page import REPOSITORY, CannotRunError, page_of, sections_of, stamped

# each is a module beside this one with `section() -> str`; the page has them in this order
BENCHMARKS = (
    "calibration_speed",
    "girth_cases",
    "calibration_at_scale",
    "recovery",
    "dif_and_fit",
    "drift",
    "assistments",
    "simulator_recovery",
    "gaming",
    "knowledge_tracing_accuracy",
    "ablations",
    "knowledge_tracing_speed",
    "gpu_training",
    "scoring_speed",
    "wide_deep_accuracy",
    "bandit_speed",
    "off_policy",
    "closed_loop",
    "scale",
    "daily_increment",
    "erasure",
    "fuzzing",
    "kills",
    "landing_limits",
    "streaming",
    "pages",
    "retrieval",
    "explanations",
    "explanations_nightly",
)


def main() -> None:
    """Measure what is asked for; a failure keeps what was measured before it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--write", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    parser.add_argument("--lake", type=Path, default=REPOSITORY / "lake", help="of `deepkt demo`")
    flags = parser.parse_args()
    given = {name: {"lake": flags.lake} for name in ("simulator_recovery", "pages")}
    # each in a process of its own, so that none has the memory or the Spark session of another
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for name in flags.only:
            sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name}\n")
            try:
                text = fresh.submit(_measured, name, given.get(name, {})).result()
            except CannotRunError as reason:
                kept = (
                    "keeps its figures" if name in _sections(flags.write) else "is not on the page"
                )
                sys.stderr.write(f"{name} {kept}: {reason}\n")
                continue
            # read anew, since another run may have written meanwhile
            sections = _sections(flags.write)
            sections[name] = stamped(text, name, today=datetime.now(UTC).date())
            flags.write.write_text(page_of(sections, BENCHMARKS))


def _sections(page: Path) -> dict[str, str]:
    return sections_of(page.read_text()) if page.exists() else {}


def _measured(name: str, given: dict[str, Path]) -> str:
    text: str = importlib.import_module(name).section(**given)
    return text


if __name__ == "__main__":
    main()
