"""Made-up logs of any size keep the cup's proportions and pass for its files."""

import importlib.util
import sys

import pytest

from conftest import REPOSITORY
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.reader import inspect, records

_SPEC = importlib.util.spec_from_file_location(
    "action_log", REPOSITORY / "benchmarks" / "action_log.py"
)
action_log = importlib.util.module_from_spec(_SPEC)
sys.modules["action_log"] = action_log  # dataclasses look their module up
_SPEC.loader.exec_module(action_log)

ACTIONS = 20_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    return folder, action_log.write_action_log(folder, ACTIONS, seed=3)


def test_every_row_passes_for_one_of_the_cup(log):
    folder, rows = log

    for name, n_rows in rows.items():
        path = folder / f"{name}.csv"
        layout = source_named("edm_cup").layout_of(path.name)
        assert inspect(path, layout).n_records == n_rows
        found = records(path, layout, max_field_characters=1_000)
        assert all(each.kept is not None for each in found)


def test_sizes_are_in_the_cups_proportions(log):
    _, rows = log

    assert rows["action_logs"] == pytest.approx(ACTIONS, rel=0.03)
    assert rows["assignment_details"] == pytest.approx(0.389 * ACTIONS, rel=0.01)
    scores = rows["training_unit_test_scores"] + rows["evaluation_unit_test_scores"]
    assert scores == pytest.approx(0.0241 * ACTIONS, rel=0.05)


def test_a_seed_determines_every_byte(log, tmp_path):
    folder, rows = log

    assert action_log.write_action_log(tmp_path, ACTIONS, seed=3) == rows
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    action_log.write_action_log(tmp_path, ACTIONS, seed=4)
    assert (tmp_path / "action_logs.csv").read_bytes() != (folder / "action_logs.csv").read_bytes()
