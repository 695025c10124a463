"""What a model is fed: per response, from evidence on items and the student's past."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deepkt_irt.knowledge_tracing.histories import (
    FIRST_ACTIONS,
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
)
from deepkt_irt.knowledge_tracing.item_evidence import (
    FloatTable,
    ItemEvidence,
    helped_first,
    log_attempts,
)
from deepkt_irt.knowledge_tracing.past_features import past_features

N_INTERACTION = 8
_LATENCY_REACH = 3.0  # log units; beyond it a latency says that the student was away


@dataclass(frozen=True)
class Inputs:
    """Tensors over all responses of some histories.

    Attributes:
        item: Item indexes; 0 where training did not meet the item, (responses,).
        same_item: Item indexes as they are: an unknown item can be met again, (responses,).
        skills: Skill indexes, 0 where fewer or unknown, (responses, most).
        combination: Which combination of skills it is, (responses,).
        members: Skills of each combination as they are, 0 where fewer, (combinations, most).
        correct: 1 right, 0 wrong, (responses,).
        evidence: What is known of the item, (responses, `item_evidence.N_FEATURES`).
        past: What the past says; zeros where not asked, (responses, `past_features.N_FEATURES`).
        interaction: What the response itself tells those after it, (responses, `N_INTERACTION`).
    """

    item: Tensor
    same_item: Tensor
    skills: Tensor
    combination: Tensor
    members: Tensor
    correct: Tensor
    evidence: Tensor
    past: Tensor
    interaction: Tensor

    def to(self, device: torch.device) -> "Inputs":
        """The same on another device."""
        return replace(self, **{name: part.to(device) for name, part in vars(self).items()})

    def overlap(self, target: Tensor, past: Tensor) -> Tensor:
        """Share of the skills of each target that each step has, too.

        Worked out for what a batch holds: a table of all pairs would take gigabytes where there
        are many thousand combinations.

        Args:
            target: Indexes of responses, (batch, targets).
            past: Indexes of responses, (batch, steps).

        Returns:
            Shares from 0 to 1, (batch, targets, steps).
        """
        asked, met = self.combination[target], self.combination[past]
        both = torch.cat([asked.ravel(), met.ravel()])
        present, place = torch.unique(both, return_inverse=True)
        skills, column = torch.unique(self.members[present], return_inverse=True)
        has = torch.zeros(len(present), len(skills), device=place.device).scatter_(1, column, 1)
        has[:, skills == 0] = 0
        shares = (has @ has.T) / has.sum(dim=1, keepdim=True).clamp(min=1)
        asked, met = place.split([asked.numel(), met.numel()])
        return shares[asked.view(target.shape)[:, :, None], met.view(past.shape)[:, None]]


def inputs_of(
    histories: Histories, evidence: ItemEvidence, chosen: BoolArray, group: IntArray | None = None
) -> Inputs:
    """Inputs of histories.

    Args:
        histories: Of any students.
        evidence: On items.
        chosen: The responses to predict; the past of the others is left out, (responses,).
        group: Table of the evidence each segment is told, (segments,); None: the full table,
            as for students whose answers are not in it.
    """
    table = np.zeros(len(histories), dtype=np.int64) if group is None else group[histories.segment]
    chance = evidence.chance(histories.item, histories.skills, table)
    found = past_features(histories, chosen, chance)
    past = np.zeros((len(histories), found.shape[1]), dtype=np.float32)
    past[chosen] = found
    return replace(
        answers_alone(histories, evidence),
        evidence=torch.from_numpy(evidence.features(histories.item, histories.skills, table)),
        past=torch.from_numpy(past),
        interaction=torch.from_numpy(interaction_of(histories, evidence, table, chance)),
    )


def answers_alone(histories: Histories, evidence: ItemEvidence) -> Inputs:
    """Inputs without what is derived: no evidence, no features of the past, no behaviour.

    Args:
        histories: Of any students.
        evidence: Says which items and skills are known.
    """
    n_skills = evidence.by_skill.shape[1] - 1
    members, combination = np.unique(histories.skills, axis=0, return_inverse=True)
    nothing = torch.zeros(len(histories), 0)
    return Inputs(
        item=torch.from_numpy(np.where(evidence.known(histories.item), histories.item, 0)),
        same_item=torch.from_numpy(histories.item),
        skills=torch.from_numpy(np.where(histories.skills <= n_skills, histories.skills, 0)),
        combination=torch.from_numpy(combination.ravel()),
        members=torch.from_numpy(members),
        correct=torch.from_numpy(histories.correct.astype(np.float32)),
        evidence=nothing,
        past=nothing,
        interaction=nothing,
    )


def interaction_of(
    histories: Histories, evidence: ItemEvidence, table: IntArray, chance: FloatArray
) -> FloatTable:
    """Surprise, latency against the item's, attempts and help; zero and a flag where unknown."""
    latency = np.log(histories.latency_ms) - evidence.expected_log_latency(histories.item, table)
    latency = np.clip(latency, -_LATENCY_REACH, _LATENCY_REACH)
    unknown = np.isnan(latency)
    latency = np.where(unknown, 0.0, latency)
    scaffold = histories.first_action == FIRST_ACTIONS.index("scaffold") + 1
    columns = (
        histories.correct - chance,
        latency,
        latency * histories.correct,
        unknown,
        np.nan_to_num(log_attempts(histories)),
        np.isnan(histories.attempt_count),
        np.nan_to_num(helped_first(histories)),
        scaffold,
    )
    return np.stack(columns, axis=1).astype(np.float32)
