"""The default knowledge-tracing model: attention over the past beside what counts say of it.

Notable, beside Pandey and Karypis (2019), "A self-attentive model for knowledge tracing":
- the target sees the item asked and interactions before it, and nothing else of itself;
- no position embeddings: each head learns how fast the past fades (a distance penalty), and a
  bonus for steps on the same skills and on the same item;
- items are described by evidence from training students (share right, latency, help; drawn to
  the item's skills where it is thin), plus a small embedding and a deviation of difficulty that
  are often left out in training, so that an item training never met is a usual case;
- steps carry surprise (result against what the item lets expect), latency and help;
- a wide part: successes, failures and recent surprise overall, on the skills and on the item;
- one layer, so that a step's key and value depend on the step alone and can be kept;
- a learned start token, so that a student without a past gets a prediction, too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepkt_irt.knowledge_tracing import item_evidence, past_features
from deepkt_irt.knowledge_tracing.blocks import Batch
from deepkt_irt.knowledge_tracing.dropout import Dropout
from deepkt_irt.knowledge_tracing.inputs import N_INTERACTION, Inputs
from deepkt_irt.settings import SaktSettings

_START_SLOPES = (0.5, 0.1, 0.02, 0.004)  # from a short to a long memory, one per head
_HIDDEN_STEP = -1e9  # an infinite score would turn a row of padding into NaN
_LEAST_SD = 1e-3  # a feature that never varies must not be blown up
_N_WIDE = item_evidence.N_FEATURES + past_features.N_FEATURES


class Tracer(nn.Module):
    """Logits of a right answer.

    Args:
        n_items: Largest item index.
        n_skills: Largest skill index.
        settings: Sizes.
    """

    wide_mean: Tensor  # buffers: saved with the weights, not learned
    wide_sd: Tensor

    def __init__(self, n_items: int, n_skills: int, settings: SaktSettings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.n_items, self.n_skills = n_items, n_skills
        self.item_dropout, self.context = settings.item_dropout, settings.context
        self.register_buffer("wide_mean", torch.zeros(_N_WIDE))
        self.register_buffer("wide_sd", torch.ones(_N_WIDE))
        self.asked_skill, self.past_skill = (
            nn.Embedding(n_skills + 1, width, padding_idx=0) for _ in range(2)
        )
        self.item = nn.Embedding(n_items + 1, settings.item_width, padding_idx=0)
        self.asked_item, self.past_item = (
            nn.Linear(settings.item_width, width, bias=False) for _ in range(2)
        )
        self.deviation = nn.Embedding(n_items + 1, 1, padding_idx=0)
        self.described = _two_layers(item_evidence.N_FEATURES, width, width)
        self.answer = nn.Embedding(2, width)
        self.interaction = nn.Linear(N_INTERACTION, width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.start_key, self.start_value = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        slopes = [_START_SLOPES[head % len(_START_SLOPES)] for head in range(self.heads)]
        self.log_slope = nn.Parameter(torch.tensor(slopes).log())
        self.same_skill, self.same_item = (nn.Parameter(torch.ones(self.heads)) for _ in range(2))
        self.project = nn.Linear(width, width)
        self.norm_attended, self.norm_fed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = _two_layers(width, 2 * width, width, dropout=settings.dropout)
        self.dropout = Dropout(settings.dropout)
        self.head = nn.Sequential(
            _two_layers(2 * width + _N_WIDE, 2 * width, width, dropout=settings.dropout),
            nn.GELU(),
            nn.Linear(width, 1),
        )
        self.wide = nn.Linear(_N_WIDE, 1)
        self._start_small()

    def _start_small(self) -> None:
        for table, sd in ((self.asked_skill, 0.1), (self.past_skill, 0.1), (self.item, 0.05)):
            nn.init.normal_(table.weight[1:], std=sd)  # row 0, none or unknown, stays zero
        for zero in (self.deviation.weight, self.wide.weight, self.wide.bias):
            nn.init.zeros_(zero)

    def measure(self, inputs: Inputs, train: Tensor) -> None:
        """Take the scale of the wide features from the training responses, (responses,)."""
        wide = torch.cat([inputs.evidence[train], inputs.past[train]], dim=1)
        self.wide_mean.copy_(wide.mean(dim=0))
        self.wide_sd.copy_(wide.std(dim=0, correction=0).clamp(min=_LEAST_SD))

    def forward(self, inputs: Inputs, batch: Batch) -> Tensor:
        """Logits of the targets' answers, (batch, targets); meaningless where not chosen."""
        keys, values = self.remember(inputs, batch.past)
        steps = torch.arange(batch.past.shape[1], device=keys.device)
        lag = (batch.visible[:, :, None] - steps).float()
        bias = self.bias(inputs, batch.target, batch.past, lag)
        return self.answer_logits(inputs, batch.target, keys, values, bias)

    def remember(self, inputs: Inputs, past: Tensor) -> tuple[Tensor, Tensor]:
        """Key and value of steps, (batch, steps, width) each; of each step by itself."""
        interaction = (
            _mean_over_skills(self.past_skill, inputs.skills[past])
            + self.past_item(self._item(inputs.item[past]))
            + self.answer(inputs.correct[past].long())
            + self.interaction(inputs.interaction[past])
        )
        return self.key(interaction), self.value(interaction)

    def bias(self, inputs: Inputs, target: Tensor, past: Tensor, lag: Tensor) -> Tensor:
        """What is added to attention scores, start token first, (batch, heads, targets, 1 + steps).

        Args:
            inputs: Of the histories.
            target: Indexes of responses, (batch, targets).
            past: Indexes of responses, (batch, steps).
            lag: How many steps ago each is; hidden where below 1 or beyond the context, so that a
                prediction does not depend on how targets were grouped, (batch, targets, steps).
        """

        def per_head(values: Tensor) -> Tensor:
            return values[None, :, None, None]

        asked, met = inputs.same_item[target][:, :, None], inputs.same_item[past][:, None, :]
        same_item = (asked == met) & (asked > 0)
        same_skill = inputs.overlap(target, past)
        bias = -per_head(self.log_slope.exp()) * lag[:, None].clamp(min=0)
        bias = bias + per_head(self.same_skill) * same_skill[:, None]
        bias = bias + per_head(self.same_item) * same_item[:, None]
        hidden = (lag < 1) | (lag > self.context)
        bias = bias.masked_fill(hidden[:, None], _HIDDEN_STEP)
        return F.pad(bias, (1, 0), value=0.0)  # the start token is always in sight

    def answer_logits(
        self, inputs: Inputs, target: Tensor, keys: Tensor, values: Tensor, bias: Tensor
    ) -> Tensor:
        """Logits (batch, targets) from remembered steps."""
        item = inputs.item[target]
        evidence = inputs.evidence[target]
        question = (
            _mean_over_skills(self.asked_skill, inputs.skills[target])
            + self.asked_item(self._item(item))
            + self.described(evidence)
        )
        attended = self._attend(question, keys, values, bias)
        hidden = self.norm_attended(question + self.dropout(self.project(attended)))
        hidden = self.norm_fed(hidden + self.dropout(self.feed(hidden)))
        wide = (torch.cat([evidence, inputs.past[target]], dim=-1) - self.wide_mean) / self.wide_sd
        deep = self.head(torch.cat([hidden, question, wide], dim=-1))
        logits: Tensor = (deep + self.wide(wide) - self.deviation(item))[..., 0]
        return logits

    def _item(self, item: Tensor) -> Tensor:
        if self.training:
            left_out = torch.rand(item.shape, device=item.device) < self.item_dropout
            item = item.masked_fill(left_out, 0)
        embedded: Tensor = self.item(item)
        return embedded

    def _attend(self, question: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        def split(x: Tensor) -> Tensor:  # (batch, heads, length, width / heads)
            return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

        batch = question.shape[0]
        keys = torch.cat([self.start_key.expand(batch, 1, -1), keys], dim=1)
        values = torch.cat([self.start_value.expand(batch, 1, -1), values], dim=1)
        attended = F.scaled_dot_product_attention(
            split(self.query(question)), split(keys), split(values), attn_mask=bias
        )
        return attended.transpose(1, 2).flatten(-2)


def _two_layers(n_in: int, hidden: int, n_out: int, *, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, n_out)
    )


def _mean_over_skills(table: nn.Embedding, skills: Tensor) -> Tensor:
    """Mean embedding over the skills there are, (…, width); zeros where there is none."""
    if skills.shape[-1] == 1:
        return table(skills[..., 0])  # type: ignore[no-any-return]
    total: Tensor = table(skills).sum(dim=-2)  # row 0 is zero
    return total / (skills > 0).sum(dim=-1, keepdim=True).clamp(min=1)
