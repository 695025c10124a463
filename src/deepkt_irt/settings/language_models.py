"""What language models cost and when they retire, by date of the table; models are replaced often.

A price that is not here is a setting; nothing is worked out from a price that nobody stated.
"""

from dataclasses import dataclass
from datetime import date

PRICES_AS_OF = date(2026, 4, 1)
"""When the prices were read, from a third party's page; hold them against the invoice."""

RETIREMENTS_AS_OF = date(2026, 8, 1)
"""When the dates were read, from the documentation of Azure AI."""

BATCH_DISCOUNT = 0.5
"""Share of the price that a request in a batch costs."""


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens; reasoning is output, and cached input is not discounted."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int, *, in_batch: bool = False) -> float:
        """US dollars that a request cost."""
        full = (input_tokens * self.input + output_tokens * self.output) / 1e6
        return full * BATCH_DISCOUNT if in_batch else full


PRICES = {
    "gpt-4o": Price(2.50, 10.00),
    "gpt-4o-mini": Price(0.15, 0.60),
    "gpt-5.4": Price(2.50, 15.00),
    "gpt-5.4-mini": Price(0.75, 4.50),
    "gpt-5.4-nano": Price(0.20, 1.25),
}

RETIREMENTS = {
    "gpt-4o": date(2026, 10, 1),
    "gpt-4o-mini": date(2026, 10, 1),
    "gpt-4.1": date(2026, 10, 14),
    "gpt-4.1-mini": date(2026, 10, 14),
    "gpt-4.1-nano": date(2026, 10, 14),
    "gpt-5.2": date(2026, 12, 12),
    "gpt-5": date(2027, 2, 6),
    "gpt-5-mini": date(2027, 2, 6),
    "gpt-5-nano": date(2027, 2, 6),
    "gpt-5.4": date(2027, 3, 5),
    "gpt-5.4-mini": date(2027, 3, 18),
    "gpt-5.4-nano": date(2027, 3, 18),
    "text-embedding-ada-002": date(2027, 4, 15),
    "text-embedding-3-small": date(2027, 4, 15),
    "text-embedding-3-large": date(2027, 4, 15),
    "gpt-5.5": date(2027, 4, 23),
    "gpt-5.1": date(2027, 5, 15),
}
