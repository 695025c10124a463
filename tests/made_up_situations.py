"""Small and random situations of students who are to be recommended something."""

import numpy as np
from scipy.sparse import csr_array

from deepkt_irt.bandit.situation import Catalogue, Knowledge, Situation

SKILLS = ("fractions", "ratios", "powers", "algebra")  # 1 to 4
NEEDS = {2: (1,), 4: (2, 3)}


def catalogue(items, *, blocked=(), unhealthy=(), guessed=(), difficulty=None, needs=NEEDS):
    """Items by id with their skills' numbers."""
    ids = list(items)
    width = max([1, *(len(each) for each in items.values())])
    skills = np.zeros((len(ids), width), dtype=np.int64)
    for row, each in zip(skills, items.values(), strict=True):
        row[: len(each)] = sorted(each)
    edges = [(skill, before) for skill, all_before in needs.items() for before in all_before]
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    n = len(SKILLS) + 1
    return Catalogue(
        item_ids=np.array(ids, dtype=np.str_),
        skill_ids=np.array(["", *SKILLS]),
        skill_names=np.array(["", *(name.title() for name in SKILLS)]),
        skills=skills,
        needs=csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)),
        difficulty=np.zeros(len(ids)) if difficulty is None else np.asarray(difficulty, float),
        help_rate=np.full(len(ids), np.nan),
        is_blocked=np.isin(ids, list(blocked)),
        is_unhealthy=np.isin(ids, list(unhealthy)),
        is_guessed=np.isin(ids, list(guessed)),
    )


def situation(known, students):
    """Students as dicts: mastery, days (by skill number), chances (by item id), recent, hard_run.

    Also ability, help_rate, rapid_rate; p_irt where an item's chance is a pair (p_irt, p_sakt).
    """
    n, width = len(students), len(known.skill_ids)
    mastery, days, low, high = np.full((4, n, width), np.nan)
    responses = np.zeros((n, width))
    item, p_irt, p_sakt, recent, sizes = [], [], [], [], []
    place = {name: number for number, name in enumerate(known.item_ids.tolist())}
    for row, student in enumerate(students):
        for skill, value in student.get("mastery", {}).items():
            mastery[row, skill], responses[row, skill] = value, 10
            low[row, skill], high[row, skill] = max(value - 0.2, 0), min(value + 0.2, 1)
        for skill, value in student.get("days", {}).items():
            days[row, skill] = value
        chances = student["chances"]
        sizes.append(len(chances))
        for name, chance in chances.items():
            one, two = chance if isinstance(chance, tuple) else (np.nan, chance)
            item.append(place[name])
            p_irt.append(one)
            p_sakt.append(two)
            recent.append(name in student.get("recent", ()))

    def column(name, otherwise):
        return np.array([student.get(name, otherwise) for student in students])

    p_irt, p_sakt = np.array(p_irt, dtype=float), np.array(p_sakt, dtype=float)
    return Situation(
        catalogue=known,
        knowledge=Knowledge(mastery, low, high, responses, days),
        ability=column("ability", np.nan).astype(float),
        help_rate=column("help_rate", np.nan).astype(float),
        rapid_rate=column("rapid_rate", np.nan).astype(float),
        hard_run=column("hard_run", 0).astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        item=np.array(item, dtype=np.int64),
        is_recent=np.array(recent, dtype=bool),
        p_irt=p_irt,
        p_sakt=p_sakt,
        information=np.where(np.isnan(p_irt), np.nan, p_irt * (1 - p_irt)),
    )


def random_situation(seed, *, n_students=6, n_items=25):
    """Students and items of which some break any rule."""
    rng = np.random.default_rng(seed)
    items = {
        f"i{n:02}": rng.choice(np.arange(1, 5), size=rng.integers(0, 3), replace=False).tolist()
        for n in range(n_items)
    }
    ids = list(items)

    def some(share):
        return [name for name in ids if rng.random() < share]

    known = catalogue(
        items,
        blocked=some(0.1),
        unhealthy=some(0.1),
        guessed=some(0.1),
        difficulty=np.where(rng.random(n_items) < 0.2, np.nan, rng.normal(size=n_items)),
    )

    def maybe(value, share=0.2):
        return np.nan if rng.random() < share else value

    students = [
        {
            "mastery": {k: rng.random() for k in range(1, 5) if rng.random() < 0.7},
            "days": {k: rng.integers(0, 90) for k in range(1, 5) if rng.random() < 0.7},
            "chances": {name: (maybe(rng.random()), maybe(rng.random())) for name in some(0.8)},
            "recent": some(0.2),
            "hard_run": rng.integers(0, 5),
            "ability": maybe(rng.normal()),
            "help_rate": maybe(rng.random()),
            "rapid_rate": maybe(rng.random()),
        }
        for _ in range(n_students)
    ]
    return situation(known, students)
