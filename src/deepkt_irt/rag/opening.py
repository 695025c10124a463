"""Opens the explainer that the settings name."""

from deepkt_irt.rag.azure_openai import client_at
from deepkt_irt.rag.batch_chat import BatchChat
from deepkt_irt.rag.chat import AzureChat, Chat
from deepkt_irt.rag.explainer import Explainer
from deepkt_irt.rag.limits import Budget
from deepkt_irt.settings import Settings


def open_explainer(settings: Settings) -> Explainer | None:
    """Who words explanations; None where everything is explained offline.

    First tries go by batch if a deployment for it is named; answers are mended one by one.

    Raises:
        UsageError: If no address is given, or no price of the model is known.
        BackendUnavailable: If a package is not installed.
    """
    given = settings.chat
    if given.provider == "offline":
        return None
    client = client_at(
        given.base_url,
        setting="chat.base_url",
        timeout_seconds=given.timeout_seconds,
        service_credential=given.service_credential,
        max_retries=0,  # requests that fail are seen, counted and paced by ours
    )
    budget = Budget(given.budget_usd)
    single = AzureChat(client, given, budget=budget)
    first: Chat = BatchChat(client, given, budget=budget) if given.batch_deployment else single
    return Explainer(settings.explanation, first, single)
