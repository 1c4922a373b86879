"""The two CLIs, configured for a model on loopback."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.clis.model import Messages, Model, Responses
from tests.clis.pod import Pod

KEY = "a-key-for-tests"


@dataclass(frozen=True)
class Cli:
    """A CLI, and its model."""

    name: str
    model: type[Model]

    def arguments(self, model: Model) -> list[str]:
        """Return the arguments of `rw exec`: the CLI and the model, with one retry, so that errors come soon."""
        if self.name == "claude":
            return ["claude"]
        retries = "request_max_retries=1, stream_max_retries=1"
        provider = f'{{name="test", base_url="{model.url}", env_key="TEST_KEY", wire_api="responses", {retries}}}'
        return ["codex", "-c", "model_provider=test", "-c", f"model_providers.test={provider}", "-m", "test"]

    def equip(self, pod: Pod, model: Model) -> None:
        """Give the pod the credentials."""
        if self.name == "claude":
            pod.environment = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_MAX_RETRIES": "1"}
        else:
            pod.environment = {"TEST_KEY": KEY}


CODEX, CLAUDE = Cli("codex", Responses), Cli("claude", Messages)
BOTH = (CODEX, CLAUDE)


def in_json(text: str) -> str:
    """Return a text in JSON encoding, without the quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
