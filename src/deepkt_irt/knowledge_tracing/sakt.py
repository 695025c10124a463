"""Self-attentive knowledge tracing as published: the next exercise asks, past interactions answer.

Pandey and Karypis (2019), "A self-attentive model for knowledge tracing", EDM. An exercise is a
skill, as in the paper's ASSISTments data; of a question with several skills the embeddings are
averaged, so that it stays one step. The paper predicts from the second step on; here the first
is predicted, too, from the exercise alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepkt_irt.knowledge_tracing.blocks import Batch
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
            nn.Dropout(settings.dropout),
            nn.Linear(width, width),
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(width, 1)

    def forward(self, inputs: Inputs, batch: Batch) -> Tensor:
        """Logits of the targets' answers, (batch, targets); meaningless where not chosen."""
        width = self.exercise.shape[1]
        skills, past = inputs.skills[batch.target], inputs.skills[batch.past]
        answered = past + inputs.correct[batch.past].long()[..., None] * (self.n_skills + 1)
        # the projections are linear, so what is gathered is projected once, not at every step
        question = _mean(self.exercise, skills, skills)
        query = _mean(self.query(self.exercise), skills, skills)
        interaction = self.interaction.reshape(-1, width)
        # only targets that see less than precedes them make a past longer than the table
        steps = torch.arange(batch.past.shape[1], device=past.device)
        position = self.position[steps.clamp(max=len(self.position) - 1)]
        key = _mean(self.key(interaction), answered, past) + self.key(position)
        value = _mean(self.value(interaction), answered, past) + self.value(position)

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
        attended = F.scaled_dot_product_attention(
            split(query), split(key), split(value), attn_mask=seen[:, None]
        )
        attended = attended.transpose(1, 2).flatten(-2)
        return torch.where((visible > 0)[..., None], attended, 0.0)


def _mean(table: Tensor, index: Tensor, skills: Tensor) -> Tensor:
    """Mean of a table's rows over the skills there are; the row of no skill where there is none."""
    if skills.shape[-1] == 1:
        return F.embedding(index[..., 0], table)
    n = (skills > 0).sum(dim=-1, keepdim=True)
    weight = (skills > 0).to(table.dtype) / n.clamp(min=1)
    first = torch.where(n == 0, 1.0, weight[..., :1])
    weight = torch.cat([first, weight[..., 1:]], dim=-1)
    return (F.embedding(index, table) * weight[..., None]).sum(dim=-2)


PUBLISHED = SaktSettings(
    architecture="sakt",
    width=128,
    heads=8,
    dropout=0.4,
    block=20,
    context=40,
    learning_rate=2e-3,
    weight_decay=0.0,
    max_epochs=10,
    patience=4,
)
"""The sizes and training that the published model is evaluated with."""
