"""deploy/base/services.yaml, written from the folders: each service's Deployment and name."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from loadtests.catalog import FLOOR, Service

HEAD = """\
# Written by `make lock`. A service has no pod unless deploy/kustomization.yaml says so; all that
# its pod has beside the image stands in every-pod.yaml, http-pod.yaml and service-pod.yaml.
apiVersion: v1
kind: ConfigMap
metadata: {{name: targets}}
data:
  TARGETS: >-  # that Locust offers
{targets}
"""
SERVICE = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app.kubernetes.io/component: service}}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: {name}, app.kubernetes.io/component: service}}
    spec:
      containers:
        - {{name: main, image: "waiting-services:{name}"}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {{app.kubernetes.io/name: {name}}}
  ports: [{{port: 8080}}]
"""
WIDTH = 96


def written(services: Iterable[Service]) -> str:
    """The text of services.yaml with these services; Locust offers all but the floor."""
    listed = list(services)
    names = " ".join(one.name for one in listed if one.kind != FLOOR)
    targets = textwrap.indent(textwrap.fill(names, WIDTH, break_on_hyphens=False), "    ")
    return HEAD.format(targets=targets) + "".join(SERVICE.format(name=one.name) for one in listed)
