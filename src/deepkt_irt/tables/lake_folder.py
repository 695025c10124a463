"""The folder of a local lake, before anything is read from it or written to it."""

from pathlib import Path

from deepkt_irt.errors import BackendUnavailable


def open_lake_folder(lake: Path) -> Path:
    """Create a lake folder and prove that it can be written.

    Raises:
        BackendUnavailable: If it cannot.
    """
    probe = lake / "tables" / ".writable"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise BackendUnavailable(
            f"lake {lake} cannot be written ({error.strerror}); give another folder with --lake"
        ) from error
    return lake.resolve()
