"""What scores rest on: a hash that changes with what matters to a skill and with nothing else."""

from dataclasses import replace

import numpy as np

from deepkt_irt.jobs.score_basis import common_hash, skill_hashes
from deepkt_irt.jobs.student_scoring import Catalogue

CATALOGUE = Catalogue(
    item_ids=np.array(["", "a", "b", "c", "d"], dtype=object),
    item_skills=np.array([[0, 0], [1, 0], [1, 2], [2, 0], [3, 0]]),
    candidates={1: [1, 2], 2: [2, 3], 3: [4]},
    references={1: [1], 2: [2, 3], 3: [4]},
)


def changed(**fields):
    """Skills whose hash differs once the catalogue does."""
    before, after = skill_hashes(CATALOGUE), skill_hashes(replace(CATALOGUE, **fields))
    return {
        skill for skill in before.keys() | after.keys() if before.get(skill) != after.get(skill)
    }


def test_same_catalogue_has_the_same_hashes():
    assert changed() == set()
    assert set(skill_hashes(CATALOGUE)) == {1, 2, 3}


def test_item_that_is_offered_on_a_skill_changes_that_skill_alone():
    assert changed(candidates=CATALOGUE.candidates | {3: [3, 4]}) == {3}


def test_item_a_skill_is_judged_by_changes_that_skill_alone():
    assert changed(references=CATALOGUE.references | {2: [3]}) == {2}


def test_item_that_gains_a_skill_changes_the_skills_it_is_used_for():
    skills = CATALOGUE.item_skills.copy()
    skills[3] = [2, 3]

    assert changed(item_skills=skills) == {2}


def test_new_item_that_no_skill_uses_changes_nothing():
    ids = np.append(CATALOGUE.item_ids, "e")
    skills = np.vstack([CATALOGUE.item_skills, [1, 0]])

    assert changed(item_ids=ids, item_skills=skills) == set()


def test_new_skill_has_a_hash_of_its_own():
    assert changed(candidates=CATALOGUE.candidates | {4: [1]}) == {4}


def test_common_hash_is_of_every_part_in_its_place():
    assert common_hash("1.0", "7") == common_hash("1.0", 7)
    assert common_hash("1.0", "7") != common_hash("7", "1.0")
    assert common_hash("1.0", "7") != common_hash("1.07")
