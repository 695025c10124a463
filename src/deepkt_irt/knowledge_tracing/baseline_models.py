"""The models that every knowledge-tracing model is trained beside, by name."""

from collections.abc import Callable

from deepkt_irt.knowledge_tracing.baselines import ItemMean
from deepkt_irt.knowledge_tracing.bkt import BKT
from deepkt_irt.knowledge_tracing.boosted_trees import BoostedTrees
from deepkt_irt.knowledge_tracing.histories import Model
from deepkt_irt.knowledge_tracing.linear_baselines import PFA, BestLR, RaschSkill

BASELINES: dict[str, Callable[[int], Model]] = {
    "item_mean": lambda _: ItemMean(),
    "irt_1pl_skill": lambda _: RaschSkill(),
    "pfa": lambda _: PFA(),
    "best_lr": lambda _: BestLR(),
    "bkt": lambda _: BKT(),
    "boosted_trees": BoostedTrees,
}
"""Makes a model from a seed; only `boosted_trees` draws anything."""
