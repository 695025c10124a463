"""The model sees the item asked and the past, and nothing else."""

import numpy as np
import pytest
import torch

from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.settings import SaktSettings

N_ITEMS, N_SKILLS, BATCH, TIME = 12, 5, 4, 9


@pytest.fixture
def model() -> Sakt:
    torch.manual_seed(3)
    made = Sakt(N_ITEMS, N_SKILLS, SaktSettings(width=16, heads=2))
    with torch.no_grad():  # away from the start, where much is still zero
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def histories(seed=11):
    generator = torch.Generator().manual_seed(seed)
    item = torch.randint(1, N_ITEMS + 1, (BATCH, TIME), generator=generator)
    skills = torch.randint(0, N_SKILLS + 1, (BATCH, TIME, 2), generator=generator)
    correct = torch.randint(0, 2, (BATCH, TIME), generator=generator).float()
    return item, skills, correct, torch.ones(BATCH, TIME, dtype=torch.bool)


@pytest.mark.parametrize("t", [0, 3, TIME - 1])
def test_forward_ignores_this_answer_and_everything_later(model, t):
    item, skills, correct, valid = histories()
    other_item, other_correct = item.clone(), correct.clone()
    other_item[:, t + 1 :] = item[:, t + 1 :] % N_ITEMS + 1
    other_correct[:, t:] = 1 - correct[:, t:]

    expected = model(item, skills, correct, valid)[:, : t + 1]
    actual = model(other_item, skills, other_correct, valid)[:, : t + 1]

    torch.testing.assert_close(actual, expected)


def test_forward_moves_with_the_item_asked(model):
    item, skills, correct, valid = histories()
    other = item.clone()
    other[:, 4] = item[:, 4] % N_ITEMS + 1

    moved = model(other, skills, correct, valid) - model(item, skills, correct, valid)

    assert moved[:, 4].abs().min() > 1e-4
    assert moved[:, :4].abs().max() < 1e-6


def test_forward_moves_with_an_earlier_answer(model):
    item, skills, correct, valid = histories()
    other = correct.clone()
    other[:, 2] = 1 - correct[:, 2]

    moved = model(item, skills, other, valid) - model(item, skills, correct, valid)

    assert moved[:, 3].abs().min() > 1e-5


def test_forward_first_answer_of_a_student_is_finite(model):
    item, skills, correct, valid = histories()

    assert torch.isfinite(model(item[:, :1], skills[:, :1], correct[:, :1], valid[:, :1])).all()


def test_forward_padding_changes_nothing(model):
    item, skills, correct, valid = histories()
    longer = [torch.nn.functional.pad(x, (0, 3)) for x in (item, correct, valid)]
    skills_longer = torch.nn.functional.pad(skills, (0, 0, 0, 3))

    padded = model(longer[0], skills_longer, longer[1], longer[2])[:, :TIME]

    torch.testing.assert_close(padded, model(item, skills, correct, valid))


def test_candidates_equal_what_forward_says_of_the_next_item(model):
    item, skills, correct, valid = histories()
    past = (item[:, :-1], skills[:, :-1], correct[:, :-1], valid[:, :-1])

    asked = model.candidates(item[:, -1:], skills[:, -1:], past)[:, 0]

    torch.testing.assert_close(asked, model(item, skills, correct, valid)[:, -1])


def test_forward_item_added_after_training_is_judged_by_its_skills(model):
    item, skills, correct, valid = histories()
    unknown, newer = item.clone(), item.clone()
    unknown[:, -1], newer[:, -1] = 0, N_ITEMS + 7

    torch.testing.assert_close(
        model(newer, skills, correct, valid)[:, -1], model(unknown, skills, correct, valid)[:, -1]
    )


def test_difficulty_of_an_untrained_item_is_the_mean_items():
    fresh = Sakt(N_ITEMS, N_SKILLS, SaktSettings(width=16, heads=2))

    assert np.allclose(fresh.difficulty(torch.tensor([3])).detach(), 0)
