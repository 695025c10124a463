"""Self-attentive knowledge tracing: the next item asks, past interactions answer.

Notable, beside Pandey and Karypis (2019), "A self-attentive model for knowledge tracing":
- strictly causal: the prediction at t sees the item asked at t and interactions before t only;
- no position embeddings: each head learns how fast the past fades (a distance penalty);
- each head learns a bonus for interactions on the same skill and on the same item;
- Rasch-style item difficulty: what the training students' share right says, plus a learned
  deviation; an item unseen in training has neither and is judged by its skills;
- a wide part: past successes and failures on the skill, on the item and in all;
- a learned start token, so that a student without a past gets a prediction, too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepkt_irt.settings import SaktSettings

_START_SLOPES = (0.5, 0.1, 0.02, 0.004)  # from a short to a long memory, one per head
_N_COUNTS = 6


class Sakt(nn.Module):
    """Logits of a right answer.

    Args:
        n_items: Largest item index.
        n_skills: Largest skill index.
        settings: Sizes.
    """

    share_right_difficulty: Tensor  # a buffer: saved with the weights, not learned

    def __init__(self, n_items: int, n_skills: int, settings: SaktSettings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.n_items, self.n_skills = n_items, n_skills
        self.skill = nn.Embedding(n_skills + 1, width, padding_idx=0)
        self.skill_variation = nn.Embedding(n_skills + 1, width, padding_idx=0)
        self.answer = nn.Embedding(2 * (n_skills + 1), width)
        self.answer_variation = nn.Embedding(2, width)
        self.register_buffer("share_right_difficulty", torch.zeros(n_items + 1, 1))
        self.deviation = nn.Embedding(n_items + 1, 1, padding_idx=0)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.start_key = nn.Parameter(torch.zeros(width))
        self.start_value = nn.Parameter(torch.zeros(width))
        slopes = [_START_SLOPES[head % len(_START_SLOPES)] for head in range(self.heads)]
        self.log_slope = nn.Parameter(torch.tensor(slopes).log())
        self.same_skill = nn.Parameter(torch.ones(self.heads))
        self.same_item = nn.Parameter(torch.ones(self.heads))
        self.project = nn.Linear(width, width)
        self.norm_attended, self.norm_fed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(settings.dropout),
            nn.Linear(2 * width, width),
        )  # fmt: skip
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))
        self.wide = nn.Linear(_N_COUNTS, 1)
        self._start_small()

    def _start_small(self) -> None:
        for table in (self.skill, self.answer):
            nn.init.normal_(table.weight, std=0.1)
        for table in (self.skill_variation, self.answer_variation):
            nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.deviation.weight)
        nn.init.zeros_(self.wide.weight)
        nn.init.zeros_(self.wide.bias)

    def forward(self, item: Tensor, skills: Tensor, correct: Tensor, valid: Tensor) -> Tensor:
        """Logits of the answers along histories, each from what came before it.

        Args:
            item: Item indexes, (batch, time).
            skills: Skill indexes, (batch, time, skills), 0 where fewer.
            correct: 1.0 or 0.0, (batch, time).
            valid: Whether there is a step, (batch, time).

        Returns:
            Logits, (batch, time); meaningless where not valid.
        """
        time = torch.arange(item.shape[1], device=item.device)
        distance = (time[:, None] - time[None, :]).float().expand(item.shape[0], -1, -1)
        allowed = (distance > 0) & valid[:, None, :]
        return self._answer(item, skills, (item, skills, correct), distance, allowed)

    def candidates(
        self, asked: Tensor, asked_skills: Tensor, past: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Logits of the answers if each candidate were asked next.

        Args:
            asked: Item indexes, (batch, candidates).
            asked_skills: Their skills, (batch, candidates, skills).
            past: item, skills, correct, valid of the histories, as for `forward`; valid steps
                come first.

        Returns:
            Logits, (batch, candidates).
        """
        item, skills, correct, valid = past
        now = valid.sum(dim=1)[:, None, None]
        distance = (now - torch.arange(item.shape[1], device=item.device)).float()
        shape = (-1, asked.shape[1], -1)
        allowed = valid[:, None, :].expand(*shape)
        return self._answer(
            asked, asked_skills, (item, skills, correct), distance.expand(*shape), allowed
        )

    def _answer(
        self,
        asked: Tensor,
        asked_skills: Tensor,
        past: tuple[Tensor, Tensor, Tensor],
        distance: Tensor,
        allowed: Tensor,
    ) -> Tensor:
        """Logits (batch, asked) from the steps (batch, time) that `allowed` lets each see."""
        item, skills, correct = past
        asked, asked_skills = self._known(asked, asked_skills)
        item, skills = self._known(item, skills)
        same_skill = allowed & (asked_skills[:, :, None, 0] == skills[:, None, :, 0])
        same_skill = same_skill & (skills[:, None, :, 0] > 0)
        same_item = allowed & (asked[:, :, None] == item[:, None, :]) & (item[:, None, :] > 0)

        question = self._question(asked, asked_skills)  # (batch, asked, width)
        interaction = self._interaction(item, skills, correct)  # (batch, time, width)
        bias = self._bias(distance, allowed, same_skill, same_item)
        attended = self._attend(question, interaction, bias)

        hidden = self.norm_attended(question + self.dropout(self.project(attended)))
        hidden = self.norm_fed(hidden + self.dropout(self.feed(hidden)))
        deep = self.head(torch.cat([hidden, question], dim=-1))[..., 0]
        wide = self.wide(_counts(correct, allowed, same_skill, same_item))[..., 0]
        logits: Tensor = deep + wide - self.difficulty(asked)[..., 0]
        return logits

    def difficulty(self, item: Tensor) -> Tensor:
        """Difficulty of items in logits around the mean item, (..., 1)."""
        difficulty: Tensor = self.share_right_difficulty[item] + self.deviation(item)
        return difficulty

    def _known(self, item: Tensor, skills: Tensor) -> tuple[Tensor, Tensor]:
        """Indexes added to the vocabularies after training become 0, unknown."""
        return (
            torch.where(item <= self.n_items, item, 0),
            torch.where(skills <= self.n_skills, skills, 0),
        )

    def _question(self, item: Tensor, skills: Tensor) -> Tensor:
        variation = _mean_over_skills(self.skill_variation(skills), skills)
        concept = _mean_over_skills(self.skill(skills), skills)
        question: Tensor = concept + self.difficulty(item) * variation
        return question

    def _interaction(self, item: Tensor, skills: Tensor, correct: Tensor) -> Tensor:
        right = correct.long()
        answered = self.answer(skills + right[..., None] * (self.n_skills + 1))
        concept = _mean_over_skills(self.skill(skills) + answered, skills)
        interaction: Tensor = concept + self.difficulty(item) * self.answer_variation(right)
        return interaction

    def _bias(
        self, distance: Tensor, allowed: Tensor, same_skill: Tensor, same_item: Tensor
    ) -> Tensor:
        """What is added to attention scores, (batch, heads, asked, 1 + time): start token first."""

        def per_head(values: Tensor) -> Tensor:
            return values[None, :, None, None]

        bias = -per_head(self.log_slope.exp()) * distance[:, None].clamp(min=0)
        bias = bias + per_head(self.same_skill) * same_skill[:, None]
        bias = bias + per_head(self.same_item) * same_item[:, None]
        bias = bias.masked_fill(~allowed[:, None], -torch.inf)
        return F.pad(bias, (1, 0), value=0.0)  # the start token is always in sight

    def _attend(self, question: Tensor, interaction: Tensor, bias: Tensor) -> Tensor:
        def split(x: Tensor) -> Tensor:  # (batch, heads, length, width / heads)
            return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

        batch = question.shape[0]
        start_key = self.start_key.expand(batch, 1, -1)
        start_value = self.start_value.expand(batch, 1, -1)
        keys = torch.cat([start_key, self.key(interaction)], dim=1)
        values = torch.cat([start_value, self.value(interaction)], dim=1)
        attended = F.scaled_dot_product_attention(
            split(self.query(question)), split(keys), split(values), attn_mask=bias
        )
        return attended.transpose(1, 2).flatten(-2)


def _mean_over_skills(embedded: Tensor, skills: Tensor) -> Tensor:
    """Mean of (…, skills, width) over the skills there are; zeros where there is none."""
    there = (skills > 0).unsqueeze(-1).to(embedded.dtype)
    return (embedded * there).sum(dim=-2) / there.sum(dim=-2).clamp(min=1)


def _counts(correct: Tensor, allowed: Tensor, same_skill: Tensor, same_item: Tensor) -> Tensor:
    """Logarithms of past successes and failures, (batch, asked, 6)."""
    right, wrong = correct[:, None, :], 1 - correct[:, None, :]
    counts = [
        (mask * outcome).sum(dim=-1)
        for mask in (allowed, same_skill, same_item)
        for outcome in (right, wrong)
    ]
    return torch.log1p(torch.stack(counts, dim=-1))
