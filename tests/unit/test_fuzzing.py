"""Damaged files of every source: refused in one clear line, or every row kept or quarantined."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting import account_of, account_twice
from deepkt_irt.sources.catalogue import SOURCES
from made_up_sources import files
from mutations import mutated, seeded

EVERY = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))


def written(folder, made):
    path = folder / made.name
    path.write_bytes(made.content)
    return path


@EVERY
def test_hundreds_of_damaged_files_lose_no_row_and_end_in_no_other_error(source, tmp_path):
    texts, found = files(source), []
    for seed in range(200):
        name = sorted(texts)[seed % len(texts)]
        made = seeded(seed, name, texts[name].encode())
        path = written(tmp_path, made)
        try:
            found.append(account_twice(source, path))
        except Exception as error:
            error.add_note(f"seed {seed} of {name}: {', '.join(made.done)}")
            raise
        path.unlink()
    assert any(each.refusal for each in found)
    assert any(each.kept for each in found)
    assert any(each.quarantined for each in found)


@EVERY
@settings(max_examples=25, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_damage_that_hypothesis_finds_can_be_shrunk(source, rng, tmp_path_factory):
    name, text = rng.choice(sorted(files(source).items()))
    made = mutated(rng, name, text.encode())

    found = account_of(source, written(tmp_path_factory.mktemp("damaged"), made))

    assert found.read == found.kept + found.quarantined


@EVERY
def test_the_same_file_gives_the_same_account_twice(source, tmp_path):
    name, text = next(iter(files(source).items()))
    for seed in range(20):
        path = written(tmp_path, seeded(seed, name, text.encode()))
        assert account_of(source, path) == account_of(source, path)


def test_a_seed_gives_the_same_damage_each_time():
    made = [seeded(seed, "answers.csv", b"user_id,item_id\nann,i\n") for seed in range(50)]

    assert made == [seeded(s, "answers.csv", b"user_id,item_id\nann,i\n") for s in range(50)]
    assert len({each.content for each in made}) > 30
