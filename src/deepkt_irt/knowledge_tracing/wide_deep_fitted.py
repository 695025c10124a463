"""A fitted Wide & Deep IRT: what it answers, and how it is stored without pickled objects."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.wide_deep_features import (
    Float32Array,
    StepTables,
    step_features,
)
from deepkt_irt.knowledge_tracing.wide_deep_items import Curves, probability
from deepkt_irt.knowledge_tracing.wide_deep_network import AbilityNetwork, abilities, pieces_of
from deepkt_irt.knowledge_tracing.wide_deep_population import Population, curves_of
from deepkt_irt.knowledge_tracing.wide_deep_scale import Scale
from deepkt_irt.knowledge_tracing.wide_deep_training import Epoch, ItemState
from deepkt_irt.settings import WideDeepSettings

_WEIGHTS, _ARRAYS, _FACTS = "network.pt", "arrays.npz", "model.json"


@dataclass(frozen=True)
class Abilities:
    """Abilities on the scale of the version, training predictions having mean 0 and SD 1.

    Attributes:
        theta: Before each response, NaN where it is not asked, (responses,).
        n_visible: Responses it rests on, 0 where it is not asked, (responses,).
        theta_now: After the whole segment, (segments,).
        n_now: Responses that rests on, (segments,).
    """

    theta: FloatArray
    n_visible: IntArray
    theta_now: FloatArray
    n_now: IntArray


@dataclass(frozen=True)
class ItemParameters:
    """Parameters by item index, on the scale of the abilities; entry 0 is unknown.

    Attributes:
        difficulty: b; NaN of an item never met, (items + 1,).
        difficulty_se: Its standard error; of an item without training responses how far items
            scatter around their skills' mean, (items + 1,).
        discrimination: a as predictions use it, of the item or of all, (items + 1,).
        discrimination_se: NaN where a is not the item's own, (items + 1,).
        guessing: c, 0 where there is none, (items + 1,).
        guessing_se: NaN where c is not estimated, (items + 1,).
        known: Whether the item has training responses; else b is the mean of its skills' items,
            (items + 1,).
    """

    difficulty: FloatArray
    difficulty_se: FloatArray
    discrimination: FloatArray
    discrimination_se: FloatArray
    guessing: FloatArray
    guessing_se: FloatArray
    known: BoolArray


@dataclass(frozen=True)
class Fitted:
    """All that predictions need.

    Attributes:
        network: Abilities from features, in its own logits.
        items: Curves in the same logits.
        tables: Of the training responses.
        scale: From those logits to the scale told.
        best: The epoch kept.
        text: A feature of past items, by item index; None: not given.
    """

    network: AbilityNetwork
    items: ItemState
    tables: StepTables
    scale: Scale
    best: Epoch
    text: FloatArray | None

    def predicted(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer on the chosen responses, (chosen,)."""
        theta = self._theta(
            self._features(histories),
            histories.offsets,
            histories.segment[chosen],
            histories.visible[chosen],
        )
        state = self.items
        item, skills = histories.item[chosen], histories.skills[chosen]
        a, b, c = curves_of(state.curves, state.population, item, skills)
        return probability(theta, a, b, c)

    def abilities(self, histories: Histories) -> Abilities:
        """Before each response that is asked, and after each segment."""
        features, window = self._features(histories), self.network.window
        asked, lengths = histories.asked, histories.lengths
        segment = np.concatenate([histories.segment[asked], np.arange(histories.n_segments)])
        visible = np.concatenate([histories.visible[asked], lengths])
        found = self.scale.told(self._theta(features, histories.offsets, segment, visible))
        n_asked = int(asked.sum())
        theta = np.full(len(histories), np.nan)
        theta[asked] = found[:n_asked]
        seen = np.clip(histories.visible, 0, window)
        return Abilities(theta, seen, found[n_asked:], np.minimum(lengths, window))

    def item_parameters(self) -> ItemParameters:
        """With standard errors, on the scale of the abilities."""
        curves, spread = self.items.curves, self.scale.spread
        b_se, log_a_se, logit_c_se = self.items.errors
        a, c = curves.slope * spread, curves.guessing
        met = np.isfinite(curves.difficulty)
        unseen_se = np.where(met, curves.prior_sd[0], np.nan)
        return ItemParameters(
            difficulty=self.scale.told(curves.difficulty),
            difficulty_se=np.where(curves.free[0], b_se, unseen_se) / spread,
            discrimination=a,
            discrimination_se=a * log_a_se,
            guessing=c,
            guessing_se=c * (1 - c) * logit_c_se,
            known=curves.free[0].copy(),
        )

    def _features(self, histories: Histories) -> Float32Array:
        return step_features(histories, self.tables, text=self.text)

    def _theta(
        self, features: Float32Array, offsets: IntArray, segment: IntArray, visible: IntArray
    ) -> FloatArray:
        """In logits of the network."""
        pieces = pieces_of(offsets, segment, visible, window=self.network.window)
        return abilities(self.network, features, pieces, n=len(segment))

    def save(self, folder: Path) -> None:
        """Write weights, arrays and facts; the folder is made if there is none."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.network.state_dict(), folder / _WEIGHTS)
        curves, population = self.items.curves, self.items.population
        arrays: dict[str, NDArray[Any]] = {
            **self.tables.arrays(),
            "values": curves.values,
            "free": curves.free,
            "prior_mean": curves.prior_mean,
            "prior_sd": curves.prior_sd,
            "errors": self.items.errors,
            "skill_difficulty": population.skill_difficulty,
        }
        if self.text is not None:
            arrays["text"] = self.text
        np.savez_compressed(folder / _ARRAYS, allow_pickle=False, **arrays)
        facts = {
            "population_sd": population.sd,
            "scale": asdict(self.scale),
            "best": asdict(self.best),
        }
        (folder / _FACTS).write_text(json.dumps(facts, indent=2))

    @classmethod
    def load(cls, folder: Path, settings: WideDeepSettings) -> "Fitted":
        """What `save` wrote, under the settings it was trained with."""
        facts = json.loads((folder / _FACTS).read_text())
        with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
            arrays = dict(stored)
        weights = torch.load(folder / _WEIGHTS, weights_only=True)
        n_features = weights["evidence.0.weight"].shape[1]
        network = AbilityNetwork(n_features, settings)
        network.load_state_dict(weights)
        curves = Curves(*(arrays[x] for x in ("values", "free", "prior_mean", "prior_sd")))
        population = Population(arrays["skill_difficulty"], facts["population_sd"])
        return cls(
            network=network.eval(),
            items=ItemState(curves, population, arrays["errors"]),
            tables=StepTables(*(arrays[x] for x in ("item_share", "skill_share", "latency_cuts"))),
            scale=Scale(**facts["scale"]),
            best=Epoch(**facts["best"]),
            text=arrays.get("text"),
        )
