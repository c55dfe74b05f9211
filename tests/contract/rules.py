"""The rules of CONTRACT.md that a service may declare not to keep, and where they are tested.

`service.toml` names them in `[exceptions]`, each with the reason. A test that is marked with
a declared rule has to fail: a reason for something that is kept after all is out of date.
"""

from __future__ import annotations

# The rule, and the part of the tests that asks for it.
RULES = {
    "keep-alive": "server",
    "absolute-form": "server",
    "options-star": "server",
    "http-0.9": "server",
    "http-1.0": "server",
    "close list": "server",
    "half-close": "server",
    "upgrade": "server",
    "unread body": "server",
    "refusal log": "server",
    "masking": "chat",
    "client keep-alive": "client",
    "trickle": "client",
    "retries": "client",
    "backend name": "client",
    "malformed answer": "client",
    "second answer": "client",
    "name lookup": "client",
}
