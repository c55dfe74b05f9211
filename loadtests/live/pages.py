"""The routes of /live on Locust's own web server: the page, its figures, its buttons."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, render_template, request

from loadtests import quantities
from loadtests.live.choice import first
from loadtests.live.figures import SHOWN_S, WINDOW_S
from loadtests.live.session import BURST_S, TURN_S, Refused, Session
from loadtests.live.users import DRAWN, ServiceUser, valid_delay
from loadtests.load.open_user import valid_rate
from loadtests.workloads.faults import BACKEND

HERE = Path(__file__).parent
MOST_SERVICES, MOST_USERS, MORE_USERS, FREEZE_S, FAULT_S = 4, 2000, 100, 1.0, 2.0


def add(app: Flask, session: Session) -> None:
    """Add them to Locust's application."""
    options = session.environment.parsed_options
    base = getattr(options, "web_base_path", None) or ""
    live = Blueprint(
        "live",
        __name__,
        url_prefix=f"{base}/live",
        static_folder=HERE / "static",
        template_folder=HERE / "templates",
    )
    live.register_error_handler(Refused, lambda error: (jsonify(error=str(error)), 400))

    @live.get("/")
    def page() -> str:
        choice = {"services": _names(session), "last": _last(session), "most": MOST_SERVICES}
        seconds = {"turn": TURN_S, "burst": BURST_S, "window": WINDOW_S}
        seconds |= {"freeze": FREEZE_S, "fault": FAULT_S}
        known = {"seconds": seconds, "faults": BACKEND, "delays": DRAWN}
        return render_template("live.html", choice=choice, **known)

    @live.get("/figures")
    def figures() -> Response:
        return jsonify(_figures(session))

    @live.post("/keeper")
    def keeper() -> Response:
        """Told by whoever keeps the services up: what they use; it is answered what should be."""
        _take_from_keeper(session, request.get_json())
        return jsonify(wanted=session.wanted, loaded=session.loaded())

    @live.post("/start")
    def start() -> Response:
        session.start(**asked(request.get_json()))
        return jsonify({})

    buttons: dict[str, Callable[[], None]] = {
        "stop": session.stop,
        "more": lambda: session.more(MORE_USERS),
        "freeze": lambda: session.freeze(FREEZE_S),
        "block": session.block,
    }

    @live.post("/<any(stop, more, freeze, block):button>")
    def press(button: str) -> Response:
        buttons[button]()
        return jsonify({})

    @live.post("/fault")
    def fault() -> Response:
        session.fault(str(request.get_json().get("fault")), FAULT_S)
        return jsonify({})

    app.register_blueprint(live)


def asked(form: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Session.start`; Refused where a field is not what it should be."""
    names = form.get("services")
    if not isinstance(names, list) or not 1 <= len(set(map(str, names))) <= MOST_SERVICES:
        raise Refused(f"choose one to {MOST_SERVICES} different services")
    try:
        delay = valid_delay(str(form.get("delay", "")))
    except ArgumentTypeError as error:
        raise Refused(f"the delay {error}") from None
    wanted = {"names": names, "delay": delay, "in_turn": form.get("when") == "in turn"}
    load = str(form.get("load", ""))
    if form.get("by") == "rate":
        try:
            rate = valid_rate(load)
        except ArgumentTypeError as error:
            raise Refused(f"the rate {error}") from None
        if not float(rate or 0):
            raise Refused("the rate must be above 0")
        return {**wanted, "users": 1, "rate": rate}
    try:
        needed = f"a whole number from 1 to {MOST_USERS}"
        return {**wanted, "users": quantities.count("users", load, needed, most=MOST_USERS)}
    except quantities.BadNumber as error:
        raise Refused(str(error)) from None


def _names(session: Session) -> list[dict[str, Any]]:
    """Each service, and what is known of it."""
    return [{"name": name, **session.about.get(name, {})} for name in session.kinds]


def _last(session: Session) -> dict[str, Any]:
    """The fields of the last test, or what a first one should be."""
    options = session.environment.parsed_options
    assert options is not None
    rate = options.rate if session.rate_rps else ""
    return {
        "services": session.chosen if session.users else first(_names(session)),
        "when": "in turn" if session.in_turn else "at once",
        "by": "rate" if rate else "users",
        "load": rate or session.users or 100,
        "delay": options.delay,
    }


def _figures(session: Session) -> dict[str, Any]:
    """All that the page shows anew every second."""
    options, now = session.environment.parsed_options, time.monotonic()
    assert options is not None
    delay_s = ServiceUser.mean_s()
    each_rps = session.rate_rps or (1 / delay_s if delay_s else None)
    loaded, services = session.loaded(), {}
    for name in session.chosen:
        figures = session.figures.of(name)
        mean_users = figures.pop("mean_users")
        limit_rps = each_rps * mean_users if each_rps and mean_users else None
        share = figures["rps"] / limit_rps if limit_rps and figures["rps"] is not None else None
        more = {"limit_rps": limit_rps, "share": share, "loaded": name in loaded}
        failure = session.failed.get(name, "")
        services[name] = {**figures, **more, "failure": failure}
    return {
        "state": session.runner.state,
        "starting": sorted(set(session.wanted) - session.up) if session.up is not None else [],
        "chosen": session.chosen,
        "services": services,
        "second": session.figures.second(),
        "marks": [[at, text] for at, text in session.marks if at > now - SHOWN_S],
        "last": _last(session),
        "more": session.rate_rps or MORE_USERS,
    }


def _take_from_keeper(session: Session, said: dict[str, Any]) -> None:
    session.about.update(said.get("about", {}))
    session.up = set(said["up"])
    for name, (cpu_s, pss_bytes) in said.get("uses", {}).items():
        session.figures.use(name, cpu_s, pss_bytes)
    for name, why in said["failed"].items():
        session.failed[name] = why
        session.wanted = [wanted for wanted in session.wanted if wanted != name]
