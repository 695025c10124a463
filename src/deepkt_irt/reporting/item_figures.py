"""An item's figures in words, for its page and its dossier alike; what is not known is said."""

from deepkt_irt.reporting.item_data import Item, ItemDossier
from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts

_Z95 = 1.96
_UNKNOWN = "not known"

Figures = tuple[tuple[str, str], ...]  # label and value


def parameter_figures(item: Item) -> Figures:
    """The model of an item and its parameters with 95% intervals."""
    found = [
        ("model", item.model),
        ("difficulty", f"{item.b:+.2f} logits ({_normal(item.b, item.se, '+.2f')})"),
        ("discrimination", _estimate(item.a, item.a_se, item.model)),
    ]
    if item.is_graded:
        steps = ", ".join(f"{each:+.2f}" for each in item.thresholds)
        return (*found, ("steps of the score", f"{steps} logits"))
    return (*found, ("guessing", _estimate(item.c, item.c_se, item.model, most=1.0)))


def use_figures(facts: ItemFacts) -> Figures:
    """Who met the item, and what came of it."""
    exposure = _percent(facts.exposure)
    seen = (
        f"{facts.first_seen_at:%Y-%m-%d} to {facts.last_seen_at:%Y-%m-%d}"
        if facts.first_seen_at and facts.last_seen_at
        else "only the order is known"
    )
    times = (facts.latency_median_ms, facts.latency_p10_ms, facts.latency_p90_ms)
    middle, low, high = (_seconds(each) for each in times)
    time = _UNKNOWN if middle == _UNKNOWN else f"{middle} (middle 80%: {low} to {high})"
    return (
        ("first attempts", f"{facts.n_responses:,}"),
        ("students who met it", exposure),
        ("met", seen),
        ("mean credit", _share_with_interval(facts)),
        ("correlation with ability", _number(facts.item_theta_correlation, "+.2f")),
        ("met and never answered", _percent(facts.omit_rate)),
        ("used a hint", _percent(facts.hint_rate)),
        ("had the answer shown", _percent(facts.answer_requested_rate)),
        ("median response time", time),
    )


def fit_figures(facts: ItemFacts) -> Figures:
    """How the item fits its curve, and where it tells about ability."""
    q3 = _number(facts.q3_max, "+.2f")
    if facts.q3_max is not None and facts.q3_item_id:
        q3 = f"{q3} with {facts.q3_item_id}"
    at_target = _number(facts.information_at_target, ".2f")
    return (
        ("infit mean square", _with_z(facts.infit, facts.infit_z)),
        ("outfit mean square", _with_z(facts.outfit, facts.outfit_z)),
        ("RMSD from its curve", _number(facts.rmsd, ".2f")),
        ("strongest Q3", q3),
        ("information at mean ability", at_target),
        ("tells most at ability", _number(facts.information_peak_at, "+.2f", " logits")),
    )


def dif_line(each: GroupDif) -> str:
    """How the item treats one group."""
    se = f" ± {_Z95 * each.delta_se:.1f}" if each.delta_se is not None else ""
    return (
        f"group {each.group_name}: class {each.ets_class or _UNKNOWN}, "
        f"delta {_number(each.delta, '+.1f')}{se}, q {_number(each.q, '.3f')}, {each.n:,} responses"
    )


def option_line(option: OptionFacts) -> str:
    """Who gave one answer."""
    key = {True: "counts as right", False: "counts as wrong", None: "key not known"}[option.is_key]
    return (
        f"“{option.answer}”: {_percent(option.share)} ({option.n:,}), {key}, mean ability "
        f"{_number(option.mean_ability, '+.2f')}, "
        f"correlation with ability {_number(option.point_biserial, '+.2f')}"
    )


def about_item(dossier: ItemDossier) -> str:
    """What kind of item it is, and its skills."""
    offered = {True: "options offered", False: "no options offered", None: "options: not known"}
    skills = ", ".join(dossier.skills) or "no skill known"
    kind = dossier.item_type or "type not known"
    return f"{kind}, {offered[dossier.is_guessable]}, {skills}"


def _estimate(value: float | None, se: float | None, model: str, *, most: float = 1e9) -> str:
    if value is None:
        return f"not estimated ({model})"
    if se is None:
        return f"{value:.2f}"
    low, high = max(value - _Z95 * se, 0.0), min(value + _Z95 * se, most)
    return f"{value:.2f} (95%: {low:.2f} to {high:.2f})"


def _normal(value: float, se: float, form: str) -> str:
    return f"95%: {value - _Z95 * se:{form}} to {value + _Z95 * se:{form}}"


def _share_with_interval(facts: ItemFacts) -> str:
    share = _percent(facts.p_value)
    if facts.p_low is None or facts.p_high is None:
        return share
    return f"{share} (95%: {facts.p_low:.0%} to {facts.p_high:.0%})"


def _with_z(square: float | None, z: float | None) -> str:
    return _number(square, ".2f") + (f" (z {z:+.1f})" if z is not None else "")


def _percent(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return "below 1%" if 0 < value < 0.01 else f"{value:.0%}"  # of some, 0% would say nobody


def _number(value: float | None, form: str, unit: str = "") -> str:
    return _UNKNOWN if value is None else f"{value:{form}}{unit}"


def _seconds(milliseconds: float | None) -> str:
    return _UNKNOWN if milliseconds is None else f"{milliseconds / 1000:.3g} s"
