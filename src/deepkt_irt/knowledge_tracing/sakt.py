"""Self-attentive knowledge tracing as published: the next exercise asks, past interactions answer.

Pandey and Karypis (2019), "A self-attentive model for knowledge tracing", EDM. An exercise is a
skill, as in the paper's ASSISTments data; of a question with several skills the embeddings are
averaged, so that it stays one step. The paper predicts from the second step on; here the first
is predicted, too, from the exercise alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepkt_irt.knowledge_tracing.blocks import Batch
from deepkt_irt.knowledge_tracing.dropout import Dropout
from deepkt_irt.knowledge_tracing.inputs import Inputs
from deepkt_irt.settings import SaktSettings


class Sakt(nn.Module):
    """Logits of a right answer.

    Args:
        n_skills: Largest skill index.
        settings: Sizes.
    """

    def __init__(self, n_skills: int, settings: SaktSettings) -> None:
        super().__init__()
        width, self.heads, self.n_skills = settings.width, settings.heads, n_skills
        self.attention_dropout = Dropout(settings.attention_dropout)
        # M, P and E of the paper; row 0 is no skill, right and wrong alike
        self.interaction = nn.Parameter(0.1 * torch.randn(2, n_skills + 1, width))
        self.position = nn.Parameter(0.1 * torch.randn(settings.block + settings.context, width))
        self.exercise = nn.Parameter(0.1 * torch.randn(n_skills + 1, width))
        self.query, self.key, self.value, self.project = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.norm_attended, self.norm_fed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            Dropout(settings.dropout),
            nn.Linear(width, width),
        )
        self.dropout = Dropout(settings.dropout)
        self.head = nn.Linear(width, 1)

    def forward(self, inputs: Inputs, batch: Batch) -> Tensor:
        """Logits of the targets' answers, (batch, targets); meaningless where not chosen."""
        # what is asked and met is worked out once for each combination of skills in the batch
        asked_and_met = torch.cat([batch.target.ravel(), batch.past.ravel()])
        present, place = torch.unique(inputs.combination[asked_and_met], return_inverse=True)
        asked, met = place.split([batch.target.numel(), batch.past.numel()])
        asked, met = asked.view_as(batch.target), met.view_as(batch.past)
        skills = inputs.members[present]
        skills = skills.where(skills <= self.n_skills, 0)  # a skill training never met is none
        exercise, interaction = _mean(self.exercise, skills), _mean(self.interaction, skills)
        answered = met + inputs.correct[batch.past].long() * len(present)
        # only targets that see less than precedes them make a past longer than the table
        steps = torch.arange(batch.past.shape[1], device=met.device)
        position = self.position[steps.clamp(max=len(self.position) - 1)]

        question, query = (F.embedding(asked, each) for each in (exercise, self.query(exercise)))
        key, value = (
            F.embedding(answered, project(interaction).flatten(0, 1)) + project(position)
            for project in (self.key, self.value)
        )
        attended = self._attend(query, key, value, batch.visible)
        hidden = self.norm_attended(question + self.dropout(self.project(attended)))
        hidden = self.norm_fed(hidden + self.dropout(self.feed(hidden)))
        logits: Tensor = self.head(hidden)[..., 0]
        return logits

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
        def split(x: Tensor) -> Tensor:  # (batch, heads, length, width / heads)
            return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

        # where nothing is seen the first step stands in, and what it says is dropped: no softmax
        # goes over nothing
        seen = torch.arange(key.shape[1], device=key.device) < visible.clamp(min=1)[:, :, None]
        query, key, value = split(query), split(key), split(value)
        if self.training and self.attention_dropout.rate:
            # the fused attention has no dropout on a CPU, and its substitute is slower than this
            score = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
            weight = score.masked_fill(~seen[:, None], -math.inf).softmax(dim=-1)
            attended = self.attention_dropout(weight) @ value
        else:
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None])
        attended = attended.transpose(1, 2).flatten(-2)
        return torch.where((visible > 0)[..., None], attended, 0.0)


def _mean(table: Tensor, skills: Tensor) -> Tensor:
    """Mean of a table's rows over the skills there are; the row of no skill where there is none.

    Args:
        table: (…, skills + 1, width).
        skills: Of each combination, 0 where fewer, (combinations, most).

    Returns:
        (…, combinations, width).
    """
    weight = (skills > 0).to(table.dtype)
    weight[:, 0] += skills.sum(dim=1) == 0
    weight = weight / weight.sum(dim=1, keepdim=True)
    return (table[..., skills, :] * weight[..., None]).sum(dim=-2)


PUBLISHED = SaktSettings(
    architecture="sakt",
    width=128,
    heads=8,
    dropout=0.2,
    attention_dropout=0.5,
    # the query knows no time, so that only a short past tells it what is recent
    block=5,
    context=15,
    learning_rate=2e-3,
    weight_decay=0.0,
    max_epochs=10,
    patience=4,
)
"""The sizes and training that the published model is evaluated with."""
