"""A school in which practice teaches: what is planted is there, and chance never shifts."""

import importlib.util
import sys
from dataclasses import astuple, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import REPOSITORY


def _benchmark(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # it is imported by the plain name from the modules beside it
    spec.loader.exec_module(module)
    return module


answers_module = _benchmark("learning_answers")
school_module = _benchmark("learning_school")
world_module = _benchmark("learning_world")
World, draw_school, uniforms = (
    world_module.LearningWorld,
    school_module.draw_school,
    answers_module.uniforms,
)

SIZES = {"n_students": 40, "n_items": 72, "n_skills": 6}
SEED = 11


@pytest.fixture
def world():
    return World.drawn(SEED, **SIZES)


@pytest.fixture(scope="module")
def school():
    return draw_school(SEED, **SIZES)


def _with_learners(school, **changes):
    return World(SEED, replace(school, learners=replace(school.learners, **changes)))


def _clones(school, student, n, **changes):
    """A world of n copies of one student, who differ in luck alone."""
    one = {
        each.name: np.repeat(getattr(school.learners, each.name)[[student]], n, axis=0)
        for each in fields(school.learners)
    }
    return _with_learners(school, **{**one, **changes})


def _live(world, days, choose, *, per_student=3):
    """Days of assigned work and recommended items; `choose` gives (students, per_student)."""
    for _ in range(days):
        student = world.present(world.day)
        world.practise_assigned(student)
        item = choose(world, student)
        world.answer(np.repeat(student, per_student), item.ravel())
        world.end_of_day()


def _random_items(world, student):
    draws = uniforms(1, student[:, None], world.day, np.arange(3))
    return (draws * world.n_items).astype(int)


def test_uniforms_are_uniform_and_tell_keys_apart():
    drawn = uniforms(3, np.arange(200)[:, None], np.arange(100))

    assert abs(drawn.mean() - 0.5) < 4 * np.sqrt(1 / 12 / drawn.size)
    assert abs(drawn.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / drawn.size)
    assert np.unique(drawn).size == drawn.size
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 4 / np.sqrt(drawn.size)
    assert uniforms(3, 0, 1) != uniforms(3, 1, 0)
    assert uniforms(0, 1) != uniforms(1, 0)


def test_same_seed_and_choices_give_the_same_answers_and_abilities():
    one, other = World.drawn(SEED, **SIZES), World.drawn(SEED, **SIZES)
    for each in (one, other):
        _live(each, 4, _random_items)

    assert len(one.history) > 0
    for left, right in zip(astuple(one.history), astuple(other.history), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(one.theta, other.theta)


def test_another_seed_gives_another_school_and_other_luck(school):
    other = draw_school(SEED + 1, **SIZES)
    assert not np.allclose(other.items.b, school.items.b)

    everybody = np.arange(SIZES["n_students"])
    right = [World(seed, school).answer(everybody, everybody).right for seed in (1, 2)]
    assert (right[0] != right[1]).any()


def test_one_call_for_all_students_equals_a_call_for_each_answer(school):
    at_once, one_by_one = World(SEED, school), World(SEED, school)
    student, item = np.array([4, 2, 4, 4, 2]), np.array([5, 6, 5, 9, 10])

    made = at_once.answer(student, item)
    for row in range(len(item)):
        one_by_one.answer(student[[row]], item[[row]])

    for left, right in zip(astuple(made), astuple(one_by_one.history), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(at_once.theta, one_by_one.theta)


def test_other_choices_for_one_student_leave_all_others_alone(school):
    one, other = World(SEED, school), World(SEED, school)

    def changed(world, student):
        return np.where(student[:, None] == 0, 7, _random_items(world, student))

    _live(one, 4, _random_items)
    _live(other, 4, changed)

    first, second = one.history, other.history
    rest = first.student > 0
    assert (first.item != second.item).any()
    np.testing.assert_array_equal(first.right[rest], second.right[rest])
    np.testing.assert_array_equal(first.latency_ms[rest], second.latency_ms[rest])
    np.testing.assert_array_equal(one.theta[1:], other.theta[1:])
    assert not np.allclose(one.theta[0], other.theta[0])


def test_fewer_answers_today_do_not_shift_the_noise_of_assigned_work_or_of_tomorrow(school):
    one, other = World(SEED, school), World(SEED, school)
    one.answer(np.zeros(5, int), np.arange(5))
    other.answer(np.zeros(2, int), np.arange(2))
    assigned = [each.practise_assigned(np.array([0])) for each in (one, other)]
    for each in (one, other):
        each.end_of_day()
    tomorrow = [each.answer(np.zeros(3, int), np.arange(3)) for each in (one, other)]

    for left, right in (assigned, tomorrow):
        np.testing.assert_array_equal(left.item, right.item)
        np.testing.assert_array_equal(left.latency_ms, right.latency_ms)


def test_noise_is_new_for_each_day_and_each_answer(world):
    everybody, item = np.arange(world.n_students), np.zeros(world.n_students, int)
    made = [world.answer(everybody, item), world.answer(everybody, item)]
    world.end_of_day()
    made.append(world.answer(everybody, item))
    first, second, tomorrow = (np.log(each.latency_ms) for each in made)

    bound = 4 / np.sqrt(world.n_students)
    usual = world.items.log_seconds[0] - world.learners.speed + np.log(1_000)
    for one, other in ((first, second), (first, tomorrow), (second, tomorrow)):
        earnest = world.learners.rapid_rate == 0
        assert abs(np.corrcoef((one - usual)[earnest], (other - usual)[earnest])[0, 1]) < bound


def test_attendance_varies_by_day_and_leaves_some_out(world):
    present = [world.present(day) for day in range(30)]

    sizes = [len(each) for each in present]
    assert 0.3 * world.n_students < min(sizes) < max(sizes) <= world.n_students
    assert all((np.diff(each) > 0).all() for each in present)
    np.testing.assert_array_equal(world.present(3), present[3])


def test_catalogue_is_the_truth_with_error_and_skills_are_padded(school):
    known, items = school.catalogue, school.items

    error = (known.b - items.b) / known.b_se
    assert 0.7 < error.std() < 1.3
    assert np.corrcoef(known.b, items.b)[0, 1] > 0.8
    assert ((known.c > 0) == known.guessable).all()
    first, second = known.item_skill.T
    assert set(first) == set(range(1, SIZES["n_skills"] + 1))
    assert ((second == 0) | (second > first)).all()
    assert 0 < np.mean(second > 0) < 0.5
    assert not np.triu(known.prerequisites).any()  # nothing comes before its prerequisite
    assert known.prerequisites.any()


def test_practice_in_the_zone_teaches_more_than_too_easy_and_too_hard(world):
    student, item = np.arange(world.n_students)[:, None], np.arange(world.n_items)
    gain, success = world.expected_gain(student, item), world.true_success(student, item)

    in_zone = gain[(success > 0.6) & (success < 0.8)].mean()

    assert in_zone > 2 * gain[success > 0.93].mean()
    assert in_zone > 2 * gain[success < 0.4].mean()


def test_best_challenge_differs_by_student(school):
    centre = np.full(SIZES["n_students"], 0.62)
    bold, supported = (_with_learners(school, centre=centre + add) for add in (0, 0.16))
    pairs = np.arange(SIZES["n_students"])[:, None], np.arange(SIZES["n_items"])
    easy = bold.true_success(*pairs) > 0.85

    assert bold.expected_gain(*pairs)[easy].mean() < supported.expected_gain(*pairs)[easy].mean()
    assert np.ptp(school.learners.centre) > 0.12


def test_item_of_better_quality_teaches_more(school):
    twice = replace(school, items=replace(school.items, quality=2 * school.items.quality))
    pairs = np.arange(SIZES["n_students"])[:, None], np.arange(SIZES["n_items"])

    np.testing.assert_allclose(
        World(SEED, twice).expected_gain(*pairs), 2 * World(SEED, school).expected_gain(*pairs)
    )
    assert school.items.quality.max() > 2 * school.items.quality.min()


def test_unmet_prerequisite_slows_by_its_factor(school):
    needy = int(np.flatnonzero(school.catalogue.prerequisites.any(axis=1))[0])
    before = school.catalogue.prerequisites[needy]
    item = np.flatnonzero((school.catalogue.item_skill == [needy + 1, 0]).all(axis=1))
    start = np.zeros((SIZES["n_students"], SIZES["n_skills"]))
    gains = [
        _with_learners(school, start=np.where(before, theta, start)).expected_gain(
            np.zeros(1, int), item
        )
        for theta in (-3.0, 3.0)
    ]

    np.testing.assert_allclose(gains[0], world_module.UNREADY * gains[1])
    assert (gains[1] > 0).all()


def test_gaming_teaches_nothing_and_is_fast_and_by_chance(school):
    n = 2_000
    world = _clones(school, 0, n, rapid_rate=np.ones(n))
    item = int(np.flatnonzero(school.catalogue.guessable)[0])
    before = world.theta

    made = world.answer(np.arange(n), np.full(n, item))

    np.testing.assert_array_equal(world.theta, before)
    assert (world.expected_gain(np.arange(n), np.full(n, item)) == 0).all()
    assert np.median(made.latency_ms) < 4_000
    chance = school.items.c[item]
    assert abs(made.right.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / n)
    assert not made.explained.any()


def test_forgetting_moves_unpractised_skills_towards_the_start_and_practised_ones_stay(world):
    everybody = np.arange(world.n_students)
    for _ in range(5):
        world.answer(everybody, np.zeros(world.n_students, int))  # an item of skill 1
    start, learned = world.learners.start[:, 0], world.theta[:, 0]
    world.end_of_day()
    assert (learned > start).mean() > 0.5
    np.testing.assert_allclose(world.theta[:, 0], learned)

    world.end_of_day()

    risen = learned > start
    assert (world.theta[risen, 0] < learned[risen]).all()
    assert (world.theta[risen, 0] > start[risen]).all()
    for _ in range(2_000):
        world.end_of_day()
    np.testing.assert_allclose(world.theta[:, 0], start, atol=1e-3)


def test_much_practice_is_forgotten_more_slowly(school):
    shares = []
    for n_answers in (1, 30):
        world = _with_learners(school, rapid_rate=np.zeros(SIZES["n_students"]))
        world.answer(np.zeros(n_answers, int), np.zeros(n_answers, int))
        world.end_of_day()
        risen = world.theta[0, 0] - world.learners.start[0, 0]
        world.end_of_day()
        shares.append((world.theta[0, 0] - world.learners.start[0, 0]) / risen)

    assert shares[0] < shares[1] < 1


@pytest.mark.parametrize("rapid_rate", [0.0, 0.4])
@pytest.mark.parametrize("n_skills", [1, 2])
def test_expected_gain_is_the_mean_of_simulated_gains(school, rapid_rate, n_skills):
    n = 20_000
    world = _clones(school, 3, n, rapid_rate=np.full(n, rapid_rate))
    everybody = np.arange(n)
    of_kind = (school.catalogue.item_skill > 0).sum(axis=1) == n_skills
    success = world.true_success(np.array([3]), np.arange(world.n_items))
    item = int(np.argmin(np.where(of_kind, np.abs(success - 0.6), np.inf)))
    expected = world.expected_gain(np.array([0]), np.array([item]))[0]
    before = world.theta

    world.answer(everybody, np.full(n, item))

    gains = (world.theta - before).sum(axis=1)
    assert gains.std() > 0
    assert abs(gains.mean() - expected) < 4 * gains.std() / np.sqrt(n)


def test_answers_are_right_as_often_as_the_item_response_function_says(school):
    n = 4_000
    world = _clones(school, 3, n, rapid_rate=np.zeros(n))
    item = np.full(n, 10)
    p = world.true_success(np.arange(n), item)[0]

    made = world.answer(np.arange(n), item)

    assert abs(made.right.mean() - p) < 4 * np.sqrt(p * (1 - p) / n)


def test_greedy_by_expected_gain_learns_more_than_random(school):
    def greedy(world, student):
        gain = world.expected_gain(student[:, None], np.arange(world.n_items))
        return np.argsort(-gain, axis=1)[:, :3]

    def nothing(world, student):
        return np.zeros((0, 3), int)

    oracle, random, idle = (World(SEED, school) for _ in range(3))
    _live(oracle, 20, greedy)
    _live(random, 20, _random_items)
    for _ in range(20):
        idle.practise_assigned(idle.present(idle.day))
        idle.end_of_day()

    learned = [(each.theta - each.learners.start).sum() for each in (oracle, random, idle)]
    assert learned[0] > 1.5 * learned[1]
    assert learned[1] > learned[2] > 0
    assert oracle.true_mastery().mean() > random.true_mastery().mean()


def test_probes_change_nothing_and_have_mastery_as_their_mean(school):
    n = 4_000
    world, other = (_clones(school, 5, n) for _ in range(2))
    everybody = np.arange(n)

    right = world.probe(everybody, np.full(n, 2), n_items=3)

    assert right.shape == (n, 3)
    mastery = world.true_mastery()[0, 1]
    scores = right.mean(axis=1)
    assert abs(scores.mean() - mastery) < 4 * scores.std() / np.sqrt(n)
    np.testing.assert_array_equal(world.probe(everybody, np.full(n, 2), n_items=3), right)
    np.testing.assert_array_equal(world.theta, other.theta)
    assert len(world.history) == 0
    made, twin = (each.answer(everybody, np.full(n, 4)) for each in (world, other))
    np.testing.assert_array_equal(made.right, twin.right)
    assert (world.probe(everybody, np.full(n, 2), n_items=3) != right).any()


def test_assigned_work_is_of_the_skill_that_is_taught(world):
    for _ in range(world.n_skills * 5):
        skill = world.assigned_skill(world.day)
        made = world.practise_assigned(np.array([1, 3]))
        assert (world.catalogue.item_skill[made.item] == skill).any(axis=1).all()
        assert made.assigned.all()
        world.end_of_day()

    assert skill == world.n_skills
    assert world.assigned_skill(world.day) == 1


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_skills=st.integers(1, 12),
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 47)), max_size=60),
)
def test_abilities_stay_between_the_start_and_what_can_be_reached(seed, n_skills, rows):
    world = World.drawn(seed, n_students=5, n_items=48, n_skills=n_skills)
    student, item = np.array(rows, dtype=int).reshape(-1, 2).T
    for _ in range(3):
        made = world.answer(student, item)
        world.end_of_day()

    risen = world.theta - world.learners.start
    assert (risen >= -1e-12).all()
    assert (risen < world_module.REACH).all()
    assert len(made) == len(rows)
    assert (made.latency_ms > 0).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_students": 0}, "n_students=0"),
        ({"n_skills": 0}, "n_skills=0"),
        ({"n_skills": 13, "n_items": 100}, "n_skills=13"),
        ({"n_items": 23}, "n_items=23"),
    ],
)
def test_school_of_a_wrong_size_is_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        World.drawn(SEED, **{**SIZES, **sizes})


def test_negative_seed_and_day_are_refused(world):
    with pytest.raises(ValueError, match="seed=-1"):
        World.drawn(-1, **SIZES)
    with pytest.raises(ValueError, match="day=-1"):
        world.present(-1)


@pytest.mark.parametrize(
    ("student", "item", "message"),
    [
        ([0, 1], [0], "one length"),
        ([[0]], [[0]], "one dimension"),
        ([40], [0], "student"),
        ([-1], [0], "student"),
        ([0], [72], "item"),
        ([0], [0.5], "whole numbers"),
    ],
)
def test_answers_of_nobody_or_to_nothing_are_refused_and_teach_nothing(
    world, student, item, message
):
    before = world.theta
    with pytest.raises(ValueError, match=message):
        world.answer(np.array(student), np.array(item))
    np.testing.assert_array_equal(world.theta, before)


def test_probe_of_a_wrong_skill_or_size_is_refused(world):
    for skill in (0, 7):
        with pytest.raises(ValueError, match="skill"):
            world.probe(np.array([0]), np.array([skill]))
    for n_items in (0, 11):
        with pytest.raises(ValueError, match="n_items"):
            world.probe(np.array([0]), np.array([1]), n_items=n_items)
