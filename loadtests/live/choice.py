"""The services that the page proposes."""

from __future__ import annotations

from typing import Any


def first(services: list[dict[str, Any]]) -> list[str]:
    """Two services to begin with, of different models where these are known."""
    stock = [one for one in services if one.get("kind", "stock") == "stock"] or services
    of_model: dict[str, str] = {}
    for one in stock:
        of_model.setdefault(one.get("model", one["name"]), one["name"])
    threads_first = sorted(of_model, key=lambda model: model != "threads")
    return [of_model[model] for model in threads_first[:2]]
