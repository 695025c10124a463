"""What becomes of an item: every rule with its weight and what to do, and the judgement.

Pure rules over figures that others worked out, for whoever writes items.
"""

from dataclasses import dataclass
from typing import Literal

from deepkt_irt.reporting import item_rules as rules
from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.reporting.item_rules import Cuts, Words
from deepkt_irt.settings import DifSettings, HealthSettings

__all__ = ["RULES", "GroupDif", "ItemFacts", "Judgement", "OptionFacts", "Rule", "judge"]

Severity = Literal["act", "watch"]
Status = Literal["good", "watch", "act", "insufficient_data"]

_MEND = "see what changed: wording, display or what was taught before; mend it, calibrate it again"
_LEAK = "see whether its answer went round or it was met too often; replace it if so"
_FAIR = "leave it out of scores until people who know the group have read it"
_REVIEW = "leave it out of scores until it is reviewed"
_REWORD = "see whether that answer is right, too; reword it"
_LOOK = "look at its curve: guessing, misreading, another way to be right?"
_WAIT = "let more students meet it before it is judged"


@dataclass(frozen=True)
class Rule:
    """One thing that may be amiss.

    Attributes:
        name: What people call it.
        severity: What an item is that breaks it.
        words: What was found; None if nothing was.
        action: What an author does about it.
        unless: A rule that says the same more strongly; where it holds, this one is silent.
        stands_alone: Holds however few responses there are in all: it has its own minimum.
    """

    name: str
    severity: Severity
    words: Words
    action: str
    unless: str | None = None
    stands_alone: bool = False


def _own(
    name: str, severity: Severity, words: Words, action: str, unless: str | None = None
) -> Rule:
    return Rule(name, severity, words, action, unless, stands_alone=True)


# worst first: the first rule an item breaks says what it is and what to do
RULES: tuple[Rule, ...] = (
    Rule("miskeyed", "act", rules.miskeyed, "check the key, then the wording"),
    Rule("better_distractor", "act", rules.better_distractor, "check which answer is right"),
    _own("drift_harder", "act", rules.drifted("act", easier=False), _MEND),
    _own("drift_easier", "act", rules.drifted("act", easier=True), _LEAK),
    _own("unfair", "act", rules.unfair, _FAIR),
    Rule("far_misfit", "act", rules.far_misfit, _REVIEW),
    Rule("far_off_curve", "act", rules.far_off_curve, _REVIEW),
    _own("drift_harder_watch", "watch", rules.drifted("watch", easier=False), _MEND),
    _own("drift_easier_watch", "watch", rules.drifted("watch", easier=True), _LEAK),
    _own("maybe_unfair", "watch", rules.maybe_unfair, "read it with that group in mind", "unfair"),
    Rule("weak", "watch", rules.weak, "check the key, and whether the task is clear", "miskeyed"),
    Rule("tempting_option", "watch", rules.tempting_option, _REWORD, "better_distractor"),
    Rule("misfit", "watch", rules.misfit, _LOOK, "far_misfit"),
    Rule("off_curve", "watch", rules.off_curve, _LOOK, "far_off_curve"),
    Rule("flat", "watch", rules.flat, "make clearer what is asked, or replace it"),
    Rule("guessed", "watch", rules.guessed, "add plausible options, or ask for a typed answer"),
    Rule("locally_dependent", "watch", rules.locally_dependent, "do not use both in one set"),
    Rule("omitted", "watch", rules.omitted, "see where students stop: length, wording, display"),
    Rule("too_hard", "watch", rules.too_hard, "see whether it is taught by then; give it later"),
    Rule("too_easy", "watch", rules.too_easy, "keep it for a start, or make it harder"),
    Rule("answer_shown", "watch", rules.answer_shown, "show the answer only after a try"),
    Rule("hinted", "watch", rules.hinted, "see what students lack before they begin"),
    Rule("idle_option", "watch", rules.idle_option, "replace it by a usual mistake"),
    Rule("uncertain", "watch", rules.uncertain, _WAIT),
    Rule("steep", "watch", rules.steep, "see whether it repeats another item"),
    Rule("overfit", "watch", rules.overfit, "see whether it repeats another item"),
)


@dataclass(frozen=True)
class Judgement:
    """What becomes of an item.

    Attributes:
        status: act: mend or withdraw it; watch; good; insufficient_data.
        reasons: What was found, worst first; none of a good item.
        suggested_action: For the worst of them; None if nothing needs doing.
    """

    status: Status
    reasons: tuple[str, ...]
    suggested_action: str | None


def judge(
    facts: ItemFacts, settings: HealthSettings, *, dif: DifSettings | None = None
) -> Judgement:
    """Hold an item against every rule.

    With fewer responses than settings.min_responses, or with nothing found and no curve, the item
    is insufficient_data. What drift and DIF found, with responses enough of their own, is said
    all the same.

    Args:
        facts: The item's figures.
        settings: The cuts.
        dif: The cuts of DIF; None: the defaults.
    """
    few = facts.n_responses < settings.min_responses
    broken = _broken(facts, Cuts(settings, dif or DifSettings()), few=few)
    reasons = tuple(words for _, words in broken)
    if few:
        lack = f"only {facts.n_responses} first attempts, where {settings.min_responses} are needed"
    elif facts.model is None and not broken:
        lack = "not calibrated: there is no curve to hold it against"
    elif not broken:
        return Judgement("good", (), None)
    else:
        return Judgement(broken[0][0].severity, reasons, broken[0][0].action)
    action = broken[0][0].action if broken else _WAIT
    return Judgement("insufficient_data", (*reasons, lack), action)


def _broken(facts: ItemFacts, cuts: Cuts, *, few: bool) -> list[tuple[Rule, str]]:
    """Rules the item breaks, worst first, each with what was found."""
    broken: dict[str, tuple[Rule, str]] = {}
    for rule in RULES:
        silent = rule.unless in broken or (few and not rule.stands_alone)
        if not silent and (words := rule.words(facts, cuts)):
            broken[rule.name] = rule, words
    return list(broken.values())
