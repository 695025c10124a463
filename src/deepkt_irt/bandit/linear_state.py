"""What a hybrid linear bandit has learnt: weighted sums over its rewards, by item and over all.

A reward r with shared features z and own features x of item a is modelled as
z'beta + x'theta_a + noise. The state is what a ridge regression on [z, block of x per item] needs,
and nothing derived from it: Z'WZ, Z'Wr and per item X'WX, X'WZ, X'Wr, priors included. So updates
only add, their order does not matter, and the prior can be exchanged. `linucb` solves it.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from deepkt_irt.errors import BadFile
from deepkt_irt.settings import BanditSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ARRAYS_FILE = "linear_state.npz"
ABOUT_FILE = "linear_state.json"


@dataclass(frozen=True)
class Rewards:
    """Rewards that have arrived; a pending one is left out, not given as 0 or NaN.

    Attributes:
        shared: Features z of student, item and their interaction, (rewards, shared).
        own: Features x that weigh an item's own part, (rewards, own).
        item: Positions of the items in the state, (rewards,).
        reward: Mostly 0 to 1, (rewards,).
        weight: What each counts for, at least 0, (rewards,).

    Raises:
        ValueError: Lengths differ, a value is not finite or a weight is negative.
    """

    shared: FloatArray
    own: FloatArray
    item: IntArray
    reward: FloatArray
    weight: FloatArray

    def __post_init__(self) -> None:
        check_rows(self.shared, self.own, self.item)
        for name, values in (("reward", self.reward), ("weight", self.weight)):
            if np.shape(values) != np.shape(self.item):
                raise ValueError(f"{len(self.item)} items but {name} has shape {np.shape(values)}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite; leave out what is pending")
        if (self.weight < 0).any():
            raise ValueError(f"weights must be at least 0, not {self.weight.min()}")


def check_rows(
    shared: FloatArray,
    own: FloatArray,
    item: IntArray,
    shape: tuple[int, ...] | None = None,
) -> None:
    """Refuse features that are no finite tables with one row per item.

    Args:
        shared: Features z, (rows, shared).
        own: Features x, (rows, own).
        item: Positions of the items, (rows,).
        shape: Numbers of items, own and shared features that they must fit.

    Raises:
        ValueError: Lengths differ, a feature is not finite, or the rows do not fit `shape`.
    """
    for name, values in (("shared", shared), ("own", own)):
        if np.ndim(item) != 1 or np.ndim(values) != 2 or len(values) != len(item):
            raise ValueError(
                f"{name} features have shape {np.shape(values)}, item {np.shape(item)}; "
                "expected (rows, features) and (rows,)"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} features must be finite")
    if shape is None:
        return
    found = np.shape(own)[1], np.shape(shared)[1]
    if found != shape[1:]:
        raise ValueError(f"{found} own and shared features, expected {shape[1:]}")
    if len(item) and not 0 <= np.min(item) <= np.max(item) < shape[0]:
        raise ValueError(f"item positions must lie in 0 to {shape[0] - 1}")


@dataclass(frozen=True)
class LinearState:
    """Everything the bandit needs to go on learning.

    Each precision holds its prior, so that it is positive definite from the start.

    Attributes:
        shared_names: Of the features z, in order.
        own_names: Of the features x, in order.
        settings: Priors that the precisions hold, discount and the rest.
        item_ids: Items by position, each once, (items,).
        n_rewards: Rewards ever seen with a weight above 0, (items,).
        shared_precision: prior_precision I + Z'WZ, (shared, shared).
        shared_target: Z'Wr, (shared,).
        own_precision: item_prior_precision I + X'WX by item, (items, own, own).
        own_cross: X'WZ by item, (items, own, shared).
        own_target: X'Wr by item, (items, own).

    Raises:
        ValueError: Shapes do not fit each other, or a name or an item is there twice.
    """

    shared_names: tuple[str, ...]
    own_names: tuple[str, ...]
    settings: BanditSettings
    item_ids: NDArray[np.str_]
    n_rewards: IntArray
    shared_precision: FloatArray
    shared_target: FloatArray
    own_precision: FloatArray
    own_cross: FloatArray
    own_target: FloatArray

    def __post_init__(self) -> None:
        n, d_own, d = len(self.item_ids), len(self.own_names), len(self.shared_names)
        expected = {
            "n_rewards": (n,),
            "shared_precision": (d, d),
            "shared_target": (d,),
            "own_precision": (n, d_own, d_own),
            "own_cross": (n, d_own, d),
            "own_target": (n, d_own),
        }
        for name, shape in expected.items():
            if np.shape(getattr(self, name)) != shape:
                found = np.shape(getattr(self, name))
                raise ValueError(f"{name} has shape {found}, expected {shape}")
        for what, names in (
            ("shared features", self.shared_names),
            ("own features", self.own_names),
            ("items", self.item_ids),
        ):
            if len(np.unique(np.asarray(names, dtype=np.str_))) != len(names):
                raise ValueError(f"{what} must each have a name of their own")

    @classmethod
    def fresh(
        cls,
        *,
        shared_names: Sequence[str],
        own_names: Sequence[str],
        item_ids: Sequence[str],
        settings: BanditSettings,
    ) -> Self:
        """The state before any reward: priors alone."""
        n, d_own, d = len(item_ids), len(own_names), len(shared_names)
        return cls(
            shared_names=tuple(shared_names),
            own_names=tuple(own_names),
            settings=settings,
            item_ids=np.asarray(item_ids, dtype=np.str_),
            n_rewards=np.zeros(n, dtype=np.int64),
            shared_precision=settings.prior_precision * np.eye(d),
            shared_target=np.zeros(d),
            own_precision=np.tile(settings.item_prior_precision * np.eye(d_own), (n, 1, 1)),
            own_cross=np.zeros((n, d_own, d)),
            own_target=np.zeros((n, d_own)),
        )

    def copy(self) -> Self:
        """The same state with arrays of its own."""
        return replace(
            self,
            n_rewards=self.n_rewards.copy(),
            shared_precision=self.shared_precision.copy(),
            shared_target=self.shared_target.copy(),
            own_precision=self.own_precision.copy(),
            own_cross=self.own_cross.copy(),
            own_target=self.own_target.copy(),
        )

    def positions(self, item_ids: Sequence[str] | NDArray[np.str_]) -> IntArray:
        """Positions of items, (items asked for,).

        Raises:
            ValueError: An item is not known.
        """
        wanted = np.asarray(item_ids, dtype=np.str_)
        order = np.argsort(self.item_ids)
        place = np.searchsorted(self.item_ids, wanted, sorter=order)
        known = np.isin(wanted, self.item_ids)
        if not known.all():
            raise ValueError(f"unknown items: {', '.join(np.unique(wanted[~known])[:5])}")
        return order[place].astype(np.int64)

    def with_items(self, item_ids: Sequence[str] | NDArray[np.str_]) -> Self:
        """Append items not known yet, with the prior; those not named keep what they have."""
        wanted = np.asarray(item_ids, dtype=np.str_)
        unknown = wanted[~np.isin(wanted, self.item_ids)]
        new = unknown[np.sort(np.unique(unknown, return_index=True)[1])]
        more = self.fresh(
            shared_names=self.shared_names,
            own_names=self.own_names,
            item_ids=new.tolist(),
            settings=self.settings,
        )
        return replace(
            self,
            item_ids=np.concatenate([self.item_ids, more.item_ids]),
            n_rewards=np.concatenate([self.n_rewards, more.n_rewards]),
            own_precision=np.concatenate([self.own_precision, more.own_precision]),
            own_cross=np.concatenate([self.own_cross, more.own_cross]),
            own_target=np.concatenate([self.own_target, more.own_target]),
        )

    def with_settings(self, settings: BanditSettings) -> Self:
        """The same evidence under other settings, as if they had held from the start.

        Exact, since a precision is always its evidence plus the whole prior. Evidence that was
        discounted before stays as it is.
        """
        shared = settings.prior_precision - self.settings.prior_precision
        own = settings.item_prior_precision - self.settings.item_prior_precision
        return replace(
            self,
            settings=settings,
            shared_precision=self.shared_precision + shared * np.eye(len(self.shared_names)),
            own_precision=self.own_precision + own * np.eye(len(self.own_names)),
        )

    def updated(self, rewards: Rewards) -> Self:
        """Add rewards, in any order and in batches of any size.

        Raises:
            ValueError: The features are not as many as the state has, or an item is not in it.
        """
        shared, own, weight = rewards.shared, rewards.own, rewards.weight
        check_rows(shared, own, rewards.item, self.own_cross.shape)
        new = self.copy()
        new.shared_precision[...] += (shared * weight[:, None]).T @ shared
        new.shared_target[...] += shared.T @ (weight * rewards.reward)
        items, place = np.unique(rewards.item, return_inverse=True)
        by_item = sparse.csr_array(
            (np.ones(len(place)), (place, np.arange(len(place)))), (len(items), len(place))
        )
        new.n_rewards[items] += (by_item @ (weight > 0)).astype(np.int64)
        for column in range(own.shape[1]):  # few: the outer products of all rows would not fit
            pull = weight * own[:, column]
            new.own_precision[items, column] += by_item @ (pull[:, None] * own)
            new.own_cross[items, column] += by_item @ (pull[:, None] * shared)
            new.own_target[items, column] += by_item @ (pull * rewards.reward)
        return new

    def discounted(self, days: float = 1.0) -> Self:
        """Let evidence fade: A <- g A + (1 - g) prior I and b <- g b, g = discount ** days.

        The prior itself never fades, so an item without new rewards returns to the shared part.
        Its count of rewards stays: theta shrinks to 0 by itself.

        Raises:
            ValueError: `days` is negative.
        """
        if not days >= 0:
            raise ValueError(f"days={days} must be at least 0")
        keep = self.settings.discount_per_day**days
        shared_prior = self.settings.prior_precision * np.eye(len(self.shared_names))
        own_prior = self.settings.item_prior_precision * np.eye(len(self.own_names))
        return replace(
            self,
            shared_precision=keep * self.shared_precision + (1 - keep) * shared_prior,
            shared_target=keep * self.shared_target,
            own_precision=keep * self.own_precision + (1 - keep) * own_prior,
            own_cross=keep * self.own_cross,
            own_target=keep * self.own_target,
        )

    def save(self, folder: Path) -> None:
        """Write the sums and, readable beside them, feature names and settings."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / ARRAYS_FILE,
            item_ids=self.item_ids,
            n_rewards=self.n_rewards,
            shared_precision=self.shared_precision,
            shared_target=self.shared_target,
            own_precision=self.own_precision,
            own_cross=self.own_cross,
            own_target=self.own_target,
        )
        about = {
            "shared_names": self.shared_names,
            "own_names": self.own_names,
            "settings": self.settings.model_dump(),
        }
        (folder / ABOUT_FILE).write_text(json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, *, shared_names: Sequence[str], own_names: Sequence[str]) -> Self:
        """Read a saved state for features of these names in this order.

        Raises:
            BadFile: It cannot be read, or was learnt on other features or another order.
        """
        try:
            about = json.loads((folder / ABOUT_FILE).read_text())
            names = {key: tuple(about[key]) for key in ("shared_names", "own_names")}
            with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
                state = cls(
                    shared_names=names["shared_names"],
                    own_names=names["own_names"],
                    settings=BanditSettings(**about["settings"]),
                    **dict(arrays),
                )
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise BadFile(
                str(folder), f"no state of a linear bandit ({error})", "save it anew"
            ) from error
        for key, asked in (("shared_names", shared_names), ("own_names", own_names)):
            if names[key] != tuple(asked):
                raise BadFile(
                    str(folder / ABOUT_FILE),
                    f"{key} are {list(names[key])}, but {list(asked)} are given",
                    "give the same names in the same order, or start afresh",
                )
        return state
