"""What versions carry as tags."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.knowledge_tracing.versions import (
    Provenance,
    TableRead,
    Training,
    cohort_hash,
    commit_of_environment,
    fitting,
    serving_requirements,
)


@given(st.sets(st.text(alphabet="0123456789abcdef", min_size=1)))
def test_cohort_depends_on_the_students_and_not_on_their_order(students):
    ordered = sorted(students)

    assert cohort_hash(ordered) == cohort_hash([*reversed(ordered), *ordered])
    assert cohort_hash([*ordered, "another"]) != cohort_hash(ordered)


def test_cohort_keeps_apart_students_whose_names_run_together():
    assert cohort_hash(["ab", "c"]) != cohort_hash(["a", "bc"])


def test_provenance_says_what_is_known_and_leaves_out_the_rest():
    known = Provenance(
        "P1", "d1", "c1", tables=(TableRead("gold.b", 2), TableRead("gold.a", 10)), commit="4c1f"
    )

    assert known.tags == {
        "protocol": "P1",
        "data_version": "d1",
        "cohort": "c1",
        "table_versions": "gold.a=10,gold.b=2",
        "git_commit": "4c1f",
    }
    assert Provenance("P1", "d1", "c1").tags.keys() == {"protocol", "data_version", "cohort"}


def test_tags_of_a_training_name_it_with_and_without_provenance():
    bare = Training("k", {}, {}, [], [])

    assert bare.tags == {"training_key": "k"}
    told = Training("k", {}, {}, [], [], Provenance("P1", "d1", "c1"))
    assert told.tags["protocol"] == "P1"


def test_commit_is_what_the_deployment_says(monkeypatch):
    monkeypatch.delenv("DEEPKT_COMMIT", raising=False)
    assert commit_of_environment() == ""
    monkeypatch.setenv("DEEPKT_COMMIT", "4c1f")
    assert commit_of_environment() == "4c1f"


def test_long_tag_is_cut_visibly():
    assert fitting("x" * 1000) == "x" * 1000
    assert fitting("x" * 1001) == "x" * 999 + "…"


def test_serving_requirements_are_pins_that_public_registries_have():
    pins = dict(each.split("==") for each in serving_requirements())

    assert pins["numpy"] == np.__version__
    assert "torch" in pins
    assert not any("+" in number for number in pins.values())
    assert "deepkt-irt" not in pins  # its code goes along with the model
