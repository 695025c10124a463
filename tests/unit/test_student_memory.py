"""A history held ready gives, step by step, what the model says of the whole history."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.errors import UsageError
from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from deepkt_irt.knowledge_tracing.past_features import past_features
from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, with_candidates
from deepkt_irt.knowledge_tracing.student_memory import StudentMemory
from deepkt_irt.knowledge_tracing.tracer import Tracer
from deepkt_irt.settings import SaktSettings

N_ITEMS, N_SKILLS, CONTEXT = 12, 5, 8
SETTINGS = SaktSettings(width=16, heads=4, context=CONTEXT, block=5)


def drawn(seed, *lengths, n_items=N_ITEMS, n_skills=N_SKILLS):
    """Students with repeated and unknown items, up to three skills, and values not known."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    skills = rng.integers(0, n_skills + 1, (n, 3))
    skills[:, 1:][skills[:, 1:] == skills[:, :1]] = 0
    skills[:, 2][skills[:, 2] == skills[:, 1]] = 0

    def some(values):
        return np.where(rng.random(n) < 0.3, np.nan, values)

    return Histories.of(
        offsets=np.cumsum([0, *lengths]),
        item=rng.integers(0, n_items + 1, n),
        skills=np.sort(skills, axis=1),
        correct=rng.integers(0, 2, n),
        latency_ms=some(rng.lognormal(9, 2, n)),
        hint_count=some(rng.integers(0, 3, n)),
        attempt_count=some(rng.integers(1, 4, n)),
        first_action=rng.integers(0, 6, n),
    )


def untrained(seed=3):
    """A model away from its start, where much is still zero."""
    torch.manual_seed(seed)
    known = drawn(seed, *[30] * 20)
    tracer = KnowledgeTracer(SETTINGS)
    network = Tracer(N_ITEMS, N_SKILLS, SETTINGS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for table in network.modules():
            if isinstance(table, torch.nn.Embedding) and table.padding_idx is not None:
                table.weight[0] = 0.0  # of none or unknown; training leaves it so
    tracer._network = network
    group = np.arange(known.n_segments) % 2 + 1
    tracer._evidence = ItemEvidence.of(known, known.asked, group)
    network.measure(tracer.inputs(known, known.asked), torch.from_numpy(known.asked))
    return tracer


@pytest.fixture(scope="module")
def tracer():
    return untrained()


def part(histories, begin, end):
    """Some responses of the only student."""
    names = ("item", "skills", "correct", "latency_ms", "hint_count", "attempt_count")
    columns = {name: getattr(histories, name)[begin:end] for name in (*names, "first_action")}
    return Histories.of(offsets=np.array([0, len(columns["item"])]), **columns)


def append(memory, histories, at):
    memory.append(
        int(histories.item[at]),
        histories.skills[at],
        int(histories.correct[at]),
        latency_ms=float(histories.latency_ms[at]),
        hint_count=float(histories.hint_count[at]),
        attempt_count=float(histories.attempt_count[at]),
        first_action=int(histories.first_action[at]),
    )


def next_of(memory, histories, at):
    return memory.predict(histories.item[[at]], histories.skills[[at]])[0]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 4 * CONTEXT), held=st.floats(0, 1))
def test_predict_equals_the_model_on_the_whole_history_at_every_step(tracer, seed, length, held):
    # items and skills that training never met are among them
    student = drawn(seed, length, n_items=N_ITEMS + 6, n_skills=N_SKILLS + 2)
    begin = int(held * length)

    memory, found = StudentMemory.of(tracer, part(student, 0, begin)), []
    for at in range(begin, length):
        found.append(next_of(memory, student, at))
        append(memory, student, at)

    expected = tracer.predict(student, student.asked)[begin:]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert memory.n_responses == length


def test_past_features_equal_those_computed_from_all_responses(tracer):
    student = drawn(5, 90)
    chance = tracer.evidence.chance(student.item, student.skills, np.zeros_like(student.item))

    memory, found = StudentMemory.of(tracer, part(student, 0, 0)), []
    for at in range(len(student)):
        inputs = memory._asked(student.item[[at]], student.skills[[at]])
        found.append(inputs.past.numpy()[0])
        append(memory, student, at)

    expected = past_features(student, student.asked, chance)
    np.testing.assert_allclose(np.array(found), expected, rtol=0, atol=1e-6)


def test_predict_candidates_are_each_asked_next_whatever_the_others(tracer):
    student = drawn(7, 30)
    items = np.array([3, 0, N_ITEMS + 1, 3])
    skills = np.array([[1, 2, 0, 0], [4, 0, 0, 0], [N_SKILLS + 1, 0, 0, 0], [1, 2, 3, 4]])
    memory = StudentMemory.of(tracer, student)

    found = memory.predict(items, skills)

    asked = with_candidates(student, [items], skills, by_place=True)
    np.testing.assert_allclose(found, tracer.predict(*asked), rtol=0, atol=1e-6)
    alone = [memory.predict(items[[at]], skills[[at]])[0] for at in range(len(items))]
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-6)


def test_predict_leaves_the_memory_as_it_is(tracer):
    student = drawn(8, 20)
    memory = StudentMemory.of(tracer, student)
    first = next_of(memory, student, 0)

    memory.predict(np.arange(1, N_ITEMS), np.ones((N_ITEMS - 1, 1), dtype=np.int64))

    assert next_of(memory, student, 0) == first


def test_append_right_or_wrong_makes_a_difference(tracer):
    student = drawn(9, 6)
    right, wrong = StudentMemory.of(tracer, student), StudentMemory.of(tracer, student)

    right.append(1, np.array([1]), 1)
    wrong.append(1, np.array([1]), 0)

    assert abs(next_of(right, student, 0) - next_of(wrong, student, 0)) > 1e-4


def test_predict_student_without_a_past_and_without_candidates(tracer):
    memory = StudentMemory.of(tracer, part(drawn(1, 3), 0, 0))

    assert 0 < memory.predict(np.array([2]), np.array([[1]]))[0] < 1
    assert memory.predict(np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.int64)).size == 0


def test_append_keeps_the_context_and_a_row_a_key_and_no_more(tracer):
    student = drawn(2, 400)
    memory = StudentMemory.of(tracer, part(student, 0, 0))

    for at in range(len(student)):
        append(memory, student, at)

    assert memory._keys.shape[1] == memory._values.shape[1] == CONTEXT
    assert len(memory._item) == len(memory._skills) == CONTEXT
    assert len(memory._sums._row) == 1 + N_ITEMS + N_SKILLS
    assert len(memory._sums._table) <= 2 * (2 + N_ITEMS + N_SKILLS)


def test_of_several_students_or_none_is_refused(tracer):
    with pytest.raises(ValueError, match="2 segments"):
        StudentMemory.of(tracer, drawn(1, 3, 4))


def test_of_another_architecture_or_no_fit_is_refused(tracer):
    published = KnowledgeTracer(SETTINGS.model_copy(update={"architecture": "sakt"}))
    published._network, published._evidence = Sakt(N_SKILLS, SETTINGS), tracer.evidence

    with pytest.raises(UsageError, match="architecture=sakt"):
        StudentMemory.of(published, drawn(1, 3))
    with pytest.raises(ValueError, match="not fitted"):
        StudentMemory.of(KnowledgeTracer(SETTINGS), drawn(1, 3))


def test_append_a_result_that_is_none_is_refused_and_changes_nothing(tracer):
    student = drawn(4, 5)
    memory = StudentMemory.of(tracer, student)
    before = next_of(memory, student, 0)

    with pytest.raises(ValueError, match="correct=2"):
        memory.append(1, np.array([1]), 2)

    assert memory.n_responses == 5
    assert next_of(memory, student, 0) == before


def test_predict_items_without_their_skills_are_refused(tracer):
    memory = StudentMemory.of(tracer, drawn(4, 5))

    with pytest.raises(ValueError, match="a row for each item"):
        memory.predict(np.array([1, 2]), np.array([[1]]))
    with pytest.raises(ValueError, match="a row for each item"):
        memory.predict(np.array([1, 2]), np.array([1, 2]))


def test_of_visibility_plays_no_part(tracer):
    student = drawn(6, 9)
    context = replace(student, visible=np.full(9, -1))

    found = next_of(StudentMemory.of(tracer, context), student, 0)

    assert found == next_of(StudentMemory.of(tracer, student), student, 0)
