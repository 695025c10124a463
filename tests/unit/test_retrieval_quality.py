"""Figures of a search by hand, and what questions that are held out leave in the library."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.rag.content import Passage
from deepkt_irt.rag.index import Hit
from deepkt_irt.rag.retrieval_quality import DEPTHS, MODES, Found, Questions, measured, searched

SKILLS = ("addition", "division")
N = 60


def passage(kind, place, text, *, item=None, skill="addition"):
    return Passage("made_up", kind, place, f"Title on {skill}", text, item, (skill,))


def passages(n=N):
    """A description of each skill, and questions with a hint each; the last two share theirs."""
    found = [passage("skill", each, f"{each} in general", skill=each) for each in SKILLS]
    for number in range(n):
        item, skill = f"q{number}", SKILLS[number % 2]
        hint = "the same hint" if number >= n - 2 else f"hint {number} of its own"
        found += [
            passage("item", item, f"Work out the {number}th sum", item=item, skill=skill),
            passage("hint", item, hint, item=item, skill=skill),
        ]
    return found


class Fixed:
    """An index that finds the library's chunks in an order of the test's own."""

    def __init__(self, library, order):
        self.library, self.order, self.asked = library, order, []

    def search(self, question, *, k, filters=None, mode="hybrid"):
        self.asked.append(question)
        ranked = sorted(self.library, key=self.order)[:k]
        return [Hit(each, 1.0, None, None, None) for each in ranked]


def test_whole_groups_are_held_out_and_leave_nothing_in_the_library():
    questions = Questions.among(passages())
    kept, held_out = questions.split()
    library = questions.library(kept, max_characters=1000)

    assert sorted([*kept, *held_out]) == sorted(questions.material)
    assert 0.15 < len(held_out) / N < 0.45
    assert questions.group[f"q{N - 2}"] == questions.group[f"q{N - 1}"]
    assert (f"q{N - 2}" in kept) == (f"q{N - 1}" in kept)
    assert {each.item_id for each in library} == {None, *kept}
    own = {text.text for each in held_out for text in questions.material[each]}
    assert own & {each.text for each in library} == set()
    assert [each.kind for each in library][:2] == ["skill", "skill"]


def test_what_is_asked_does_not_tell_its_skill():
    questions = Questions.among(passages())

    for question in questions.material:
        assert not any(skill in questions.asked(question) for skill in SKILLS)


def test_questions_without_skills_or_text_are_not_asked_but_stay_in_the_library():
    bare = passage("item", "x", "A question on nothing", item="x")
    untold = passage("hint", "y", "A hint without its question", item="y")
    questions = Questions.among([*passages(), replace(bare, skill_ids=()), untold])

    assert not {"x", "y"} & set(questions.material)
    assert {"x", "y"} <= {e.item_id for e in questions.library([], max_characters=1000)}


def test_figures_are_those_worked_out_by_hand():
    near = Found([False, True, True, False], {1: 0.0, 5: 0.5, 10: 1.0}, best=1 + 1 / math.log2(3))
    far = Found([False] * 10, dict.fromkeys(DEPTHS, 0.0), best=1.0)
    figures = measured([near, far])

    assert figures.n_questions == 2
    assert figures.recall == {1: 0.0, 5: 0.5, 10: 0.5}
    assert figures.covered == {1: 0.0, 5: 0.25, 10: 0.5}
    assert figures.mrr == pytest.approx((1 / 2 + 0) / 2)
    gain = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert figures.ndcg == pytest.approx(gain / 2)


@pytest.mark.parametrize(("right", "recall"), [(True, 1.0), (False, 0.0)])
def test_an_index_that_is_always_right_or_wrong_is_found_out(right, recall):
    questions = Questions.among(passages())
    kept, held_out = questions.split()
    asked = [each for each in held_out if questions.skills[each] == {"addition"}]
    library = questions.library(kept, max_characters=1000)

    def order(chunk):
        return (("addition" in chunk.skill_ids) != right, chunk.chunk_id)

    found = searched(Fixed(library, order), library, questions, asked)

    assert asked
    assert set(found) == set(MODES)
    for of_mode in found.values():
        figures = measured(of_mode)
        assert figures.recall[10] == figures.mrr == recall
        assert figures.ndcg == pytest.approx(recall)


@given(st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=30))
def test_figures_are_shares_and_deeper_finds_no_less(hits):
    found = [Found(each, dict.fromkeys(DEPTHS, float(any(each))), best=5.0) for each in hits]
    figures = measured(found)

    assert figures.recall[1] <= figures.recall[5] <= figures.recall[10]
    assert figures.recall[1] <= figures.mrr <= figures.recall[10]
    assert 0 <= figures.ndcg <= 1
