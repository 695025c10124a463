"""Estimates of a policy's value find what the simulator knows, and intervals hold it."""

import numpy as np
import pytest

from deepkt_irt.bandit.off_policy import compare, evaluate
from deepkt_irt.bandit.reward_model import cross_fitted_rewards
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from made_up_decisions import part, world

pytestmark = pytest.mark.slow

N_LOGS, N_STUDENTS = 200, 40
BOOTSTRAP = Bootstrap(n_resamples=400, seed=1)
NAMES = ("ips", "snips", "dr", "sndr")


def candidate_of(made):
    """Prefers what is good more strongly than the log, and dislikes a thing that is good, too."""
    return made.softmax(1.5 * made.features[:, 0] - 0.3 * made.features[:, 1])


def logs_of(made):
    """Logs of N_STUDENTS students each, with the rows of the world that they hold."""
    for k in range(N_LOGS):
        first, last = np.searchsorted(made.log.student, [k * N_STUDENTS, (k + 1) * N_STUDENTS])
        yield part(made.log, np.arange(first, last))


@pytest.fixture(scope="module")
def truths():
    """Values of the candidate, and how far it is ahead of the logging policy."""
    made = world(n_students=40_000, seed=100)
    value = made.value(candidate_of(made))
    return {"candidate": value, "difference": value - made.value(made.logging)}


@pytest.fixture(scope="module")
def found():
    """Comparisons on independent logs; rewards of a student are alike, and models miss half."""
    made = world(n_students=N_LOGS * N_STUDENTS, seed=8)
    policy = candidate_of(made)
    results = []
    for log, rows in logs_of(made):
        q = cross_fitted_rewards(log, made.features[rows][:, :1])
        results.append(compare(log, policy[rows], predicted=q, bootstrap=BOOTSTRAP))
    return results


@pytest.mark.parametrize("what", ["candidate", "difference"])
@pytest.mark.parametrize("name", NAMES)
def test_estimate_over_many_logs_is_unbiased(found, truths, name, what):
    values = np.array([getattr(each[name], what).value for each in found])

    error = values.std(ddof=1) / np.sqrt(N_LOGS)
    assert abs(values.mean() - truths[what]) < 3 * error
    assert error < 0.01  # so that a bias worth the name would be seen


@pytest.mark.parametrize("what", ["candidate", "difference"])
@pytest.mark.parametrize("name", NAMES)
def test_interval_of_95_percent_holds_the_truth_in_93(found, truths, name, what):
    low, high = np.array(
        [(getattr(each[name], what).low, getattr(each[name], what).high) for each in found]
    ).T
    holds = (low <= truths[what]) & (truths[what] <= high)

    assert 0.93 <= holds.mean() <= 0.985


def test_interval_that_took_decisions_for_independent_would_be_too_short(found, truths):
    """The students do matter in these logs: without them coverage fails."""
    made = world(n_students=N_LOGS * N_STUDENTS, seed=8)
    policy = candidate_of(made)
    holds = []
    for log, rows in logs_of(made):
        each = policy[rows][log.chosen] / log.propensity * log.reward
        error = each.std(ddof=1) / np.sqrt(len(each))
        holds.append(abs(each.mean() - truths["candidate"]) < 1.96 * error)

    assert np.mean(holds) < 0.9


def test_sound_logs_hardly_ever_raise_a_warning(found):
    warned = [bool(each["snips"].candidate.warnings) for each in found]

    assert np.mean(warned) < 0.05


def test_doubly_robust_is_surer_than_weights_alone(found):
    error = {
        name: np.std([each[name].difference.value for each in found]) for name in ("ips", "dr")
    }

    assert error["dr"] < error["ips"]


def test_worse_candidate_does_not_pass_and_a_better_one_does():
    made = world(n_students=N_LOGS * N_STUDENTS, seed=9)
    good, bad = candidate_of(made), made.softmax(0.3 * made.features[:, 0])
    passed = []
    for log, rows in list(logs_of(made))[:60]:
        pair = (compare(log, policy[rows], bootstrap=BOOTSTRAP) for policy in (good, bad))
        passed.append([each["snips"].difference.low > 0 for each in pair])

    share_good, share_bad = np.mean(passed, axis=0)
    assert share_good > 0.6
    assert share_bad < 0.05


def test_replay_on_a_log_that_chose_at_random_among_equally_many_is_unbiased():
    made = world(n_students=N_LOGS * N_STUDENTS, seed=10, exploit=0.0, sizes=(4, 4))
    policy = made.greedy(made.features[:, 0])
    values = [
        evaluate(log, policy[rows], bootstrap=Bootstrap(n_resamples=10))["replay"].value
        for log, rows in logs_of(made)
    ]
    far = world(n_students=40_000, seed=101, exploit=0.0, sizes=(4, 4))

    error = np.std(values, ddof=1) / np.sqrt(N_LOGS)
    assert abs(np.mean(values) - far.value(far.greedy(far.features[:, 0]))) < 3 * error
