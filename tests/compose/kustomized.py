"""The manifests of deploy/ as `kubectl kustomize` builds them, as far as they use that.

A test compares the two where there is a kubectl: the others need none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from loadtests.catalog import ROOT

DEPLOY = ROOT / "deploy"
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def built() -> list[Document]:
    """All resources, patched; the ConfigMap `settings` keeps its name."""
    (top,), (base,) = (
        documents(folder / "kustomization.yaml") for folder in (DEPLOY, DEPLOY / "base")
    )
    found = [one for name in base["resources"] for one in documents(DEPLOY / "base" / name)]
    for patch in base["patches"]:
        (given,) = documents(DEPLOY / "base" / patch["path"])
        for one in found:
            if _is_target(one, patch["target"]):
                one["spec"] = merged(one["spec"], given["spec"])
    literals = [
        line
        for kustomization in (base, top)
        for generator in kustomization["configMapGenerator"]
        for line in generator["literals"]
    ]
    settings = dict(line.split("=", 1) for line in literals)
    name = {"name": "settings"}
    found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": settings})
    counts = {one["name"]: one["count"] for one in top["replicas"]}
    for one in found:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = base["namespace"]
        if one["kind"] == "Deployment":
            spec = one["spec"]
            spec["replicas"] = counts.pop(one["metadata"]["name"], spec["replicas"])
            for container in spec["template"]["spec"]["containers"]:
                container["image"] = _renamed(container["image"], top["images"])
    assert not counts, f"there are no {', '.join(counts)} to have replicas"
    return found


def merged(one: Any, patch: Any) -> Any:
    """`one` with a strategic merge patch: maps merge, and lists of things with equal names."""
    if isinstance(one, dict) and isinstance(patch, dict):
        both = {key: merged(one[key], patch[key]) for key in one.keys() & patch.keys()}
        return {**one, **patch, **both}
    if isinstance(one, list) and isinstance(patch, list):
        named = {item["name"]: item for item in one}
        for item in patch:
            named[item["name"]] = merged(named.get(item["name"], {}), item)
        return list(named.values())
    return patch


def _is_target(one: Document, target: dict[str, str]) -> bool:
    label, _, value = target.get("labelSelector", "").partition("=")
    labels = one["metadata"].get("labels", {})
    return one["kind"] == target["kind"] and (not label or labels.get(label) == value)


def _renamed(image: str, images: list[dict[str, str]]) -> str:
    name, _, tag = image.partition(":")
    (entry,) = (entry for entry in images if entry["name"] == name)
    return f"{entry['newName']}:{tag}"
