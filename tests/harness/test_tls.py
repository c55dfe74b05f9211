"""Services without TLS and with it: both in one run, who is trusted, what cannot be asked for."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import runs
from conftest import SETTINGS, Stage
from pages import page
from servers import Server, after_delay, tls_of
from test_generator import closed, events

from loadtests import catalog, record
from loadtests.advise.sources import sources
from loadtests.bench import plan, profiles, rounds
from loadtests.bench.profiles import UnknownProfile
from loadtests.catalog import TLS, TRANSPORTS, Service
from loadtests.load import tls
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.record import Run
from loadtests.report import sections
from loadtests.report.results import facts, parts, stored
from loadtests.report.tables.controlled import CAPTION
from loadtests.runtime import certificate
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch

TINY = profiles.made(
    "tiny", title="", users=(5,), delay_s=0.05, rounds=1, warmup_s=0.1, window_s=0.5
)
REQUEST = b"GET /?delay=0 HTTP/1.1\r\nHost: test\r\nX-Request-ID: a\r\n\r\n"


def planned(monkeypatch: pytest.MonkeyPatch, wanted: str) -> list[plan.Part]:
    """The parts of a short profile over these services."""
    monkeypatch.setattr(profiles, "select", lambda name: [TINY])
    return plan.parts("tiny", wanted, "local", SETTINGS, tls=True)


def secured(service: Service) -> Service:
    return replace(service, transport=TLS)


def test_every_service_is_measured_both_ways(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    stage("a", "b")
    (part,) = found = planned(monkeypatch, "a b")
    labels = ["a", "a@tls", "b", "b@tls"]
    assert [service.label for service in part.services] == labels
    rounds.run("tiny", found, tmp_path / "results")
    (file,) = (tmp_path / "results").glob("*/run.json")
    run = json.loads(file.read_text())
    assert sorted(point["service"] for point in run["points"]) == labels
    assert {name: about["transport"] for name, about in run["services"].items()} == dict(
        zip(labels, TRANSPORTS * 2, strict=True)
    )
    for point in run["points"]:
        assert point["requests"] > 0
        assert point["failures"] == 0
        assert "log_tail" not in point or not point["log_tail"]
    assert [*temporary.iterdir()] == []  # certificates and keys are gone


def test_who_does_not_offer_it_is_left_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = stage("a", "b")
    description = a.folder / "service.toml"
    description.write_text(description.read_text().replace("tls = true", "tls = false"))
    (part,) = planned(monkeypatch, "a b")
    assert [service.label for service in part.services] == ["b", "b@tls"]
    assert part.description()["left_out"] == {"a": "it does not offer TLS"}
    with pytest.raises(UnknownProfile, match=r"nothing is left .* a: it does not offer TLS"):
        planned(monkeypatch, "a")


def test_one_that_is_measured_again_is_again_with_tls(stage: Stage) -> None:
    again = replace(secured(stage("a")[0]), again=True)
    assert again.label == "a@tls-again"
    assert again.description()["again_of"] == "a@tls"


@pytest.mark.parametrize("name", ["chat", "composite", "open", "capacity", "cores", "payload"])
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UnknownProfile, match=f"TLS=1 is not for {name}: .* of the kind delay$"):
        plan.parts(name, "", "local", {}, tls=True)


def test_profiles_of_all_kinds_that_speak_it() -> None:
    for name in ("smoke", "quick", "standard", "churn"):
        assert all(profile.of_kind.tls for profile in profiles.select(name))


def test_which_services_offer_it() -> None:
    """Those of the servers of PyPI that do, with whichever client."""
    offered = {one.name for one in catalog.select("") if one.tls}
    assert {"flask-threads", "flask-gevent-requests", "fastapi", "django-async"} <= offered
    assert {"twisted", "nginx", "scratch-epoll", "asyncio-protocol"} & offered == set()


def test_the_certificate_is_for_the_service_and_gone_after_it(stage: Stage) -> None:
    (service,) = stage("a")
    with certificate.made(secured(service)) as made:
        files = [Path(file) for file in made.files.values()]
        assert files[0].read_text() == made.text
        (folder,) = {file.parent for file in files}
        assert folder.stat().st_mode & 0o077 == 0  # nobody else's
    assert not folder.exists()
    with certificate.made(service) as none:
        assert (none.files, none.text) == ({}, "")
        assert certificate.in_container(none, "a") == []


def test_windows_are_those_of_a_service_without_it(stage: Stage, runtime: LocalRuntime) -> None:
    asked: dict[str, Any] = {"users": (5, 10), "delay_s": 0.05}
    for users, window in zip(
        (5, 10), closed(runtime, secured(stage("a")[0]), **asked), strict=True
    ):
        assert window["requests"] > users
        assert (window["failures"], window["unanswered"]) == (0, 0)
        assert window["connections"] == window["unfinished"] == users
        assert abs(window["backend_calls"] - window["requests"]) <= users
        assert window["in_flight"] == pytest.approx(users, rel=0.05)


def test_a_new_connection_for_each_request(stage: Stage, runtime: LocalRuntime) -> None:
    (only,) = closed(
        runtime, secured(stage("a")[0]), users=(5,), delay_s=0.05, new_connections=True
    )
    assert only["requests"] > 5
    assert only["failures"] == 0


def test_users_of_two_processes(
    stage: Stage, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = runtime.generator
    monkeypatch.setattr(
        runtime, "generator", lambda plan: real(json.dumps({**json.loads(plan), "processes": 2}))
    )
    (only,) = closed(runtime, secured(stage("a")[0]), users=(6,), delay_s=0.05)
    assert [bool(process["requests"]) for process in only["generator_processes"]] == [True, True]
    assert (only["failures"], only["connections"]) == (0, 6)


def test_every_body_is_checked(stage: Stage, runtime: LocalRuntime) -> None:
    (only,) = closed(runtime, secured(stage(bad="mixes")[0]), users=(10,), delay_s=0.05)
    assert only["failures"] == only["requests"] > 0


def test_a_service_with_another_certificate_is_not_measured(
    stage: Stage, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = certificate.signed("localhost", "a", address="127.0.0.1")
    real = runtime.generator
    monkeypatch.setattr(
        runtime,
        "generator",
        lambda plan: real(json.dumps(json.loads(plan) | {"certificate": other})),
    )
    (only,) = events(runtime, secured(stage("a")[0]), users=(5,), delay_s=0.05)
    assert only["event"] == "broken"
    assert "CERTIFICATE_VERIFY_FAILED" in only["reason"]


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, for this machine, which connections trust."""
    context, text = tls_of(tmp_path, "localhost", address="127.0.0.1")
    monkeypatch.setattr(Connection, "trusted", tls.trusting(text))
    return context


def failed(url: str) -> RequestFailed:
    """How an exchange fails there."""
    connection = Connection(url, timeout_s=10)
    with pytest.raises(RequestFailed) as failure:
        connection.exchange(REQUEST)
    assert not connection.established()
    return failure.value


def test_who_is_trusted(known: ssl.SSLContext, tmp_path: Path) -> None:
    with Server(after_delay, known) as server:
        connection = Connection(server.url, timeout_s=10)
        assert connection.exchange(REQUEST) == (200, b'{"delay":0,"id":"a"}')
        assert connection.established()
        connection.close()
    impostor, _ = tls_of(tmp_path, "localhost", address="127.0.0.1")
    with Server(after_delay, impostor) as server:
        failure = failed(server.url)
        assert failure.kind == "refused"
        assert "CERTIFICATE_VERIFY_FAILED" in str(failure)
        assert server.requests == []


def test_a_certificate_for_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, text = tls_of(tmp_path, "elsewhere", address="127.0.0.2")
    monkeypatch.setattr(Connection, "trusted", tls.trusting(text))
    with Server(after_delay, context) as server:
        assert "CERTIFICATE_VERIFY_FAILED" in str(failed(server.url))


def test_without_tls_there_is_no_answer(known: ssl.SSLContext) -> None:
    with Server(after_delay, known) as server:
        assert failed(server.url.replace("https:", "http:")).kind in ("reset", "bad status")
        assert server.requests == []


def test_a_server_that_says_nothing_is_late(known: ssl.SSLContext) -> None:
    """It accepts connections, or the system does for it, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = Connection(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)
        with pytest.raises(RequestFailed) as failure:
            connection.exchange(REQUEST)
        assert failure.value.kind == "timeout"


def test_a_plain_fetch_is_verified_as_well(stage: Stage, runtime: LocalRuntime) -> None:
    service = secured(stage("a")[0])
    with runtime, runtime.service(service) as running, certificate.made(service) as other:
        own = Path(other.files["TLS_KEY"]).with_name("own.pem")
        own.write_text(running.certificate)
        assert fetch(f"{running.url}/health", certificate=str(own))[0] == 200
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(f"{running.url}/health", certificate=other.files["TLS_CERTIFICATE"])


def both_ways(run: Run) -> Run:
    """The run as if its services were one, without TLS and with it."""
    names = {"sanic": "sanic", "tornado": "sanic@tls"}
    run.services = {names[name]: about for name, about in run.services.items() if name in names}
    for (_, about), transport in zip(sorted(run.services.items()), TRANSPORTS, strict=True):
        about["transport"] = transport
    run.points = [replace(p, service=names[p.service]) for p in run.points if p.service in names]
    run.summary = [replace(s, service=names[s.service]) for s in run.summary if s.service in names]
    return run


def test_a_report_has_the_ratio_and_says_of_what(tmp_path: Path) -> None:
    run = both_ways(runs.made_up())
    rows = page(run, tmp_path).tables[CAPTION]
    assert [row[:3] for row in rows] == [["transport", "sanic", "sanic@tls"]]
    assert rows[0][3].startswith("×")
    (part,) = parts.split(run)
    assert "with TLS in place of plain HTTP (sanic@tls ÷ sanic)" in sections.of(part).finding(part)
    assert facts.reproduce(run).endswith('SERVICES="sanic" RUNTIME=local TLS=1')


def test_no_advice_is_from_it(tmp_path: Path) -> None:
    """As half of its services are none that one could name."""
    for name, run in (("plain", runs.made_up()), ("both", both_ways(runs.made_up()))):
        folder = tmp_path / name / "run"
        folder.mkdir(parents=True)
        record.save(run, folder / "run.json")
    assert sources(stored.read(tmp_path / "plain")) is not None
    assert sources(stored.read(tmp_path / "both")) is None
