"""Wide & Deep IRT: abilities from what students did before, items with parameters of their own.

P = c + (1 - c) / (1 + exp(-a (theta - b))), theta from the visible history alone. Abilities and
parameters are told on a scale on which the training predictions have mean ability 0 and SD 1.

Reference:
    Pu, Yan and Zhang (2024), Predicting Students' Future Success: Harnessing Clickstream Data
    with Wide & Deep IRT, Journal of Educational Data Mining 16(2), 1-31. There items have no
    discrimination, and theta is a plain mean over the past.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import torch

from deepkt_irt.errors import NoData, NotTrained
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, Split
from deepkt_irt.knowledge_tracing.wide_deep_features import (
    Float32Array,
    step_features,
    step_tables,
)
from deepkt_irt.knowledge_tracing.wide_deep_fitted import Abilities, Fitted, ItemParameters
from deepkt_irt.knowledge_tracing.wide_deep_items import first_curves
from deepkt_irt.knowledge_tracing.wide_deep_network import AbilityNetwork
from deepkt_irt.knowledge_tracing.wide_deep_population import ItemSkills
from deepkt_irt.knowledge_tracing.wide_deep_scale import Scale
from deepkt_irt.knowledge_tracing.wide_deep_training import Epoch, Targets, Trained, Training
from deepkt_irt.settings import WideDeepSettings

_FACTS, _GIVEN = "wide_deep.json", "given.npz"


class WideDeepIrt:
    """Wide & Deep IRT as a model of the next answer.

    Args:
        settings: Sizes, priors, training.
        seed: Initial weights, dropout, order of batches. The same seed, data and number of threads
            of the CPU give the same weights, bit by bit.
        guessable: 1 an item can be guessed, 0 not, NaN unknown (no guessing), by item index.
        text: A vector of each item's text, NaN unknown, (items + 1, dimension).

    Raises:
        ValueError: If `guessable` holds something else.
    """

    def __init__(
        self,
        settings: WideDeepSettings,
        *,
        seed: int = 7,
        guessable: FloatArray | None = None,
        text: FloatArray | None = None,
    ) -> None:
        if guessable is not None and not np.isin(guessable[~np.isnan(guessable)], (0, 1)).all():
            raise ValueError("guessable must be 1, 0 or NaN")
        if text is not None and text.ndim != 2:
            raise ValueError("text must have the shape (items + 1, dimension)")
        self.settings, self.seed = settings, seed
        self._guessable, self._text = guessable, text
        self._fitted: Fitted | None = None

    def fit(
        self,
        histories: Histories,
        split: Split,
        *,
        on_epoch: Callable[[Epoch], None] = lambda _: None,
    ) -> None:
        """Learn network and items from the training responses that are asked.

        Args:
            histories: Responses.
            split: Training and validation responses; those that are not asked are context only.
            on_epoch: Told of each epoch.

        Raises:
            NoData: If training or validation has no responses, or only right or wrong ones.
        """
        train, validation = split.train & histories.asked, split.validation & histories.asked
        _refuse_alike(histories, train, "training")
        _refuse_alike(histories, validation, "validation")
        steps = _steps_to_learn_from(histories, split, train)
        tables = step_tables(
            histories,
            steps,
            prior_responses=self.settings.prior_responses,
            min_latency_responses=self.settings.min_latency_responses,
        )
        features = step_features(histories, tables, text=self._text)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = AbilityNetwork(features.shape[1], self.settings)
            network.standardise(features[steps])
            trained = self._trained(histories, features, (train, validation), network, on_epoch)
        self._fitted = Fitted(
            network=trained.network,
            items=trained.items,
            tables=tables,
            scale=Scale.of(trained.theta),
            best=trained.best,
            text=self._text,
        )

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer on the chosen responses, in their order.

        Args:
            histories: Of any students; items and skills may be new.
            chosen: (responses,); all of them must be asked.

        Raises:
            NotTrained: If the model was not fitted.
            ValueError: If a chosen response is not asked.
        """
        if (chosen & ~histories.asked).any():
            raise ValueError("a response that is only context cannot be predicted")
        return self.fitted.predicted(histories, chosen)

    def abilities(self, histories: Histories) -> Abilities:
        """Ability before each response that is asked, and after each segment.

        Raises:
            NotTrained: If the model was not fitted.
        """
        return self.fitted.abilities(histories)

    def item_parameters(self) -> ItemParameters:
        """Parameters of all items with standard errors, on the scale of the abilities.

        Raises:
            NotTrained: If the model was not fitted.
        """
        return self.fitted.item_parameters()

    @property
    def fitted(self) -> Fitted:
        """What was learned.

        Raises:
            NotTrained: If the model was not fitted.
        """
        if self._fitted is None:
            raise NotTrained("wide_deep_irt")
        return self._fitted

    @property
    def n_parameters(self) -> int:
        """Learned numbers of the ability network, the items apart."""
        learned = (p for p in self.fitted.network.parameters() if p.requires_grad)
        return sum(p.numel() for p in learned)

    def save(self, folder: Path) -> None:
        """Write the model: weights, arrays and JSON, nothing pickled beyond tensors.

        Raises:
            NotTrained: If the model was not fitted.
        """
        self.fitted.save(folder)
        given = {} if self._guessable is None else {"guessable": self._guessable}
        np.savez_compressed(folder / _GIVEN, allow_pickle=False, **given)
        facts = {"settings": self.settings.model_dump(), "seed": self.seed}
        (folder / _FACTS).write_text(json.dumps(facts, indent=2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A model that `save` wrote; it predicts the same to the last bit."""
        facts = json.loads((folder / _FACTS).read_text())
        with np.load(folder / _GIVEN, allow_pickle=False) as stored:
            guessable = stored.get("guessable")
        settings = WideDeepSettings(**facts["settings"])
        fitted = Fitted.load(folder, settings)
        model = cls(
            settings,
            seed=facts["seed"],
            guessable=guessable,
            text=fitted.text,
        )
        model._fitted = fitted
        return model

    def _trained(
        self,
        histories: Histories,
        features: Float32Array,
        targets: tuple[BoolArray, BoolArray],
        network: AbilityNetwork,
        on_epoch: Callable[[Epoch], None],
    ) -> Trained:
        train, validation = targets
        settings = self.settings
        n_items = max(histories.n_items, 0 if self._guessable is None else len(self._guessable) - 1)
        has_own = np.bincount(histories.item[train], minlength=n_items + 1) > 0
        has_own[0] = False
        curves = first_curves(n_items, has_own, settings, guessable=self._guessable)
        training = Training(
            features,
            Targets.of(histories, train, window=settings.window),
            Targets.of(histories, validation, window=settings.window),
            curves=curves,
            of=ItemSkills.of(histories, n_items),
            n_skills=histories.n_skills,
            network=network,
            settings=settings,
        )
        return training.run(seed=self.seed, on_epoch=on_epoch)


def _steps_to_learn_from(histories: Histories, split: Split, train: BoolArray) -> BoolArray:
    """Training responses that are asked, and the context that they rest on, (responses,).

    In units with a test the practice is context alone, and all that the network ever reads.
    """
    furthest = np.zeros(histories.n_segments, dtype=np.int64)
    np.maximum.at(furthest, histories.segment[train], histories.visible[train])
    steps: BoolArray = train | (histories.position < furthest[histories.segment])
    steps &= ~split.validation
    return steps & ~split.test if len(split.test) else steps


def _refuse_alike(histories: Histories, chosen: BoolArray, name: str) -> None:
    answers = histories.correct[chosen]
    if not len(answers) or answers.min() == answers.max():
        raise NoData(f"no {name} responses, or their answers are all alike; bring more students")
