#!/usr/bin/env python3
"""An advisor's command for a model behind an OpenAI-compatible API: Ollama, llama.cpp, vLLM. The standard library is enough."""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("ADVISOR_URL", "http://127.0.0.1:11434/v1/chat/completions")
MODEL = os.environ.get("ADVISOR_MODEL", "qwen3:4b")
USAGE, AUTH, ABSTAIN, TEMPORARY = 2, 3, 4, 75


def main() -> int:
    """Read one document, ask once, and print what the model says as it stands: the operator judges it."""
    asked = json.load(sys.stdin)
    schema = {"name": "advice", "strict": True, "schema": asked["answer_schema"]}
    body = {
        "model": asked["model"] or MODEL,
        "max_tokens": asked["max_tokens"],
        "messages": [{"role": "user", "content": asked["prompt"]}],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('ADVISOR_KEY', 'none')}"}
    request = urllib.request.Request(URL, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=asked["timeout_seconds"]) as response:
            said = json.load(response)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        print(f"the model's API says {error.code} {error.reason}", file=sys.stderr)
        return AUTH if error.code in (401, 403) else TEMPORARY if error.code == 429 or error.code >= 500 else USAGE
    except OSError as error:
        print(f"the model cannot be reached: {error}", file=sys.stderr)
        return TEMPORARY
    print(said or "", end="")
    return 0 if said else ABSTAIN


sys.exit(main())
