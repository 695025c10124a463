"""A saved model is the same model, and what it says of the next item is what it would have said."""

import json
from dataclasses import replace

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, with_candidates
from made_up_histories import (
    ITEM_SKILLS,
    LENGTHS,
    N_ITEMS,
    PUBLISHED,
    SMALL,
    edited,
    every_third,
    made_up,
    untrained,
)

MODELS = {"default": untrained(), "published": untrained(PUBLISHED)}
architectures = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
QUERIES = np.array([1, N_ITEMS - 1, N_ITEMS, N_ITEMS + 1, 10_000, 0])


def fitted(settings=SMALL, **options):
    model = KnowledgeTracer(settings, **options)
    histories = made_up()
    model.fit(histories, every_third(histories))
    return model


def without_last(histories):
    """Each segment without its last response."""
    last = np.zeros(len(histories), dtype=bool)
    last[histories.offsets[1:] - 1] = True
    names = ("item", "skills", "correct", "latency_ms", "hint_count", "attempt_count")
    columns = {name: getattr(histories, name)[~last] for name in (*names, "first_action")}
    return Histories.of(offsets=histories.offsets - np.arange(histories.n_segments + 1), **columns)


def asked_of(model, histories, asked, skills=ITEM_SKILLS):
    """Predictions by segment."""
    extended, chosen = with_candidates(histories, asked, skills)
    found = model.predict(extended, chosen)
    return np.split(found, np.cumsum([len(each) for each in asked])[:-1])


@architectures
def test_loaded_model_predicts_exactly_what_the_saved_one_did(model, tmp_path):
    histories = made_up(seed=8)

    model.save(tmp_path / "new" / "folder")
    loaded = KnowledgeTracer.load(tmp_path / "new" / "folder")

    np.testing.assert_array_equal(
        loaded.predict(histories, histories.asked), model.predict(histories, histories.asked)
    )
    assert loaded.settings == model.settings
    assert loaded.knows(QUERIES).tolist() == model.knows(QUERIES).tolist()
    assert not loaded.network.training  # dropout would make predictions differ between calls
    assert loaded.trained is None


def test_saved_settings_can_be_read_and_name_the_sizes(tmp_path):
    MODELS["default"].save(tmp_path)

    config = json.loads((tmp_path / "config.json").read_text())

    assert (config["n_items"], config["n_skills"]) == (N_ITEMS - 1, 4)
    assert config["settings"] == SMALL.model_dump()


@pytest.mark.parametrize("settings", [SMALL, PUBLISHED], ids=["default", "published"])
def test_fit_twice_gives_the_same_predictions_and_says_how_training_went(settings):
    told = []

    first, second = fitted(settings, on_epoch=told.append), fitted(settings)

    histories = made_up(seed=8)
    np.testing.assert_array_equal(
        first.predict(histories, histories.asked), second.predict(histories, histories.asked)
    )
    assert first.trained.epochs == tuple(told)
    assert 1 <= len(told) <= settings.max_epochs


def test_fit_goes_on_from_its_checkpoint(tmp_path):
    def kill(epoch):
        if epoch.number == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fitted(checkpoint=tmp_path / "state.pt", on_epoch=kill)
    told = []
    resumed = fitted(checkpoint=tmp_path / "state.pt", on_epoch=told.append)

    histories = made_up(seed=8)
    np.testing.assert_array_equal(
        resumed.predict(histories, histories.asked), fitted().predict(histories, histories.asked)
    )
    assert [epoch.number for epoch in told] == [2]


def test_fit_knows_nothing_of_answers_that_are_neither_trained_nor_validated_on():
    histories = made_up()
    split = every_third(histories)
    test = histories.student_of_response >= len(LENGTHS) - 3
    split = replace(split, train=split.train & ~test, validation=split.validation & ~test)
    first, second = KnowledgeTracer(SMALL), KnowledgeTracer(SMALL)

    first.fit(histories, split)
    second.fit(edited(histories, test), split)

    new = made_up(seed=8)
    np.testing.assert_array_equal(first.predict(new, new.asked), second.predict(new, new.asked))


def test_fit_all_training_answers_alike_is_refused():
    histories = made_up()
    split = every_third(histories)
    alike = replace(histories, correct=np.where(split.train, 1, histories.correct))

    with pytest.raises(NoData, match="all alike"):
        KnowledgeTracer(SMALL).fit(alike, split)


def test_fit_evidence_on_each_item_is_of_the_training_students():
    histories = made_up()
    split = every_third(histories)

    evidence = fitted().evidence

    alone = ItemEvidence.of(histories, split.train, np.zeros(histories.n_segments, dtype=np.int64))
    assert evidence.n[0].tolist() == alone.n[0].tolist()
    assert len(evidence.n) == SMALL.evidence_groups + 1
    np.testing.assert_allclose(evidence.n[1:].sum(axis=0), 2 * evidence.n[0])


def test_fit_tells_no_student_his_or_her_own_answers_through_the_items():
    """Items met once or twice each and random answers: only such a leak could be learnt from."""
    item = np.random.default_rng(2).integers(1, 400, 900)
    histories = made_up([10] * 90, item=item, skills=np.ones((900, 1), dtype=np.int64))
    model = KnowledgeTracer(
        SMALL.model_copy(update={"max_epochs": 8, "patience": 8, "learning_rate": 1e-2})
    )

    model.fit(histories, every_third(histories))

    assert min(epoch.train_loss for epoch in model.trained.epochs) > 0.66


def test_knows_only_items_that_training_students_met():
    histories = made_up(items=8)
    histories.item[every_third(histories).validation] = N_ITEMS
    model = KnowledgeTracer(SMALL)

    model.fit(histories, every_third(histories))

    assert model.knows(QUERIES).tolist() == [True, False, False, False, False, False]
    assert model.knows(QUERIES.reshape(3, 2)).shape == (3, 2)
    assert model.knows(np.arange(1, 9)).all()


@pytest.mark.parametrize("part", ["network", "evidence"])
def test_model_that_is_not_fitted_says_so(part):
    with pytest.raises(ValueError, match="not fitted"):
        getattr(KnowledgeTracer(SMALL), part)


@architectures
def test_predict_of_context_is_refused(model):
    histories = made_up((4,), visible=np.array([-1, 1, 2, 3]))

    with pytest.raises(ValueError, match="context"):
        model.predict(histories, np.ones(4, dtype=bool))


@architectures
def test_candidates_are_given_the_probability_that_they_get_once_they_are_asked(model):
    whole = made_up(seed=8)
    last = whole.offsets[1:] - 1

    found = asked_of(model, without_last(whole), [whole.item[[at]] for at in last])

    chosen = np.isin(np.arange(len(whole)), last)
    np.testing.assert_allclose(np.concatenate(found), model.predict(whole, chosen), atol=1e-6)


@architectures
def test_candidates_do_not_depend_on_the_others_asked(model):
    histories = made_up((7, 0, 12, 30), seed=8)
    together = [np.array([3, 7, 1, 3])] * 4

    found = asked_of(model, histories, together)

    for place, item in enumerate([3, 7, 1, 3]):
        alone = asked_of(model, histories, [np.array([item])] * 4)
        np.testing.assert_allclose(
            [each[place] for each in found], [each[0] for each in alone], atol=1e-6
        )
    assert all(np.ptp(each[:3]) > 1e-4 for each in found)


def test_with_candidates_keeps_the_histories_and_the_order_asked():
    histories = made_up((3, 0, 2), seed=8, visible=np.array([0, -1, 1, -1, 0]))
    asked = [np.array([5, 2]), np.array([9]), np.zeros(0, dtype=np.int64)]

    extended, chosen = with_candidates(histories, asked, ITEM_SKILLS)

    assert extended.offsets.tolist() == [0, 5, 6, 8]
    assert np.flatnonzero(chosen).tolist() == [3, 4, 5]
    assert extended.item[chosen].tolist() == [5, 2, 9]
    assert extended.skills[chosen].tolist() == ITEM_SKILLS[[5, 2, 9]].tolist()
    assert extended.visible[chosen].tolist() == [3, 3, 0]
    for name in ("item", "skills", "correct", "visible", "latency_ms", "first_action"):
        np.testing.assert_array_equal(getattr(extended, name)[~chosen], getattr(histories, name))
    assert extended.student.tolist() == histories.student.tolist()


def test_with_candidates_of_more_skills_than_any_step_had():
    histories = made_up((2,), skills=np.array([[1], [2]]))

    extended, _ = with_candidates(histories, [np.array([5])], ITEM_SKILLS)

    assert extended.skills.tolist() == [[1, 0], [2, 0], [2, 4]]


def test_with_candidates_skills_by_place():
    histories = made_up((2, 1), skills=np.array([[1, 2], [2, 0], [3, 0]]))
    own = np.array([[4], [1]])

    extended, chosen = with_candidates(
        histories, [np.array([700]), np.array([700])], own, by_place=True
    )

    assert extended.skills[chosen].tolist() == [[4, 0], [1, 0]]


@architectures
def test_candidate_added_after_training_is_judged_by_its_skills(model):
    histories = made_up((6,), seed=8)
    skills = np.vstack([ITEM_SKILLS, ITEM_SKILLS[[3]], ITEM_SKILLS[[7]]])
    skills[0] = ITEM_SKILLS[3]  # an item of no index, with the same skills

    (found,) = asked_of(model, histories, [np.array([0, N_ITEMS + 1, N_ITEMS + 2])], skills)

    assert found[1] == pytest.approx(found[0], abs=1e-6)
    assert abs(found[2] - found[1]) > 1e-4
