"""How long a page takes to load in a browser on this machine."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# no network, and nothing kept from an earlier round
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--dump-dom",
)
_WATCH = """<script>
addEventListener("load", () => { document.documentElement.dataset.loaded = performance.now(); });
</script>"""
_LOADED = re.compile(r'<html[^>]* data-loaded="([0-9.]+)"')


def load_seconds(page: Path, *, rounds: int) -> float | None:
    """From the start of the navigation to the load event, the page's own script included.

    Args:
        page: An HTML file with a head; it is not changed.
        rounds: Starts of the browser; the median over them is given.

    Returns:
        Seconds; None if no Chromium is installed.

    Raises:
        CalledProcessError: If the browser fails.
        ValueError: If it ended before the page was loaded.
    """
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        watched = Path(scratch, "page.html")
        watched.write_text(page.read_text("utf-8").replace("</head>", f"{_WATCH}</head>", 1))
        return median(_once(browser, watched) for _ in range(rounds))


def _once(browser: str, page: Path) -> float:
    with tempfile.TemporaryDirectory() as profile:
        ran = subprocess.run(  # noqa: S603 - the browser found above, our own page
            [browser, *_OPTIONS, f"--user-data-dir={profile}", page.as_uri()],
            capture_output=True,
            text=True,
            check=True,
        )
    loaded = _LOADED.search(ran.stdout)
    if loaded is None:
        raise ValueError(f"{page.name} was not loaded when the browser ended")
    return float(loaded[1]) / 1000
