"""Locust's own page opened ready to go: what it has no option for is added to what it answers.

The service is in sight and not in a fold, the field Host shows the name and address of the one
that is chosen, and a line on top links to /live.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

from flask import Flask, Response, jsonify, render_template, request

from loadtests.live.session import Refused, Session
from loadtests.live.users import valid_delay
from loadtests.load.open_user import valid_rate


def extend(app: Flask, session: Session) -> None:
    """Add hooks to Locust's application."""

    @app.before_request
    def prepare_test() -> Response | None:
        """Before Locust starts a test: have the services up that it is to load.

        Locust's form names a service that cannot be started.
        """
        if request.endpoint == "locust.stop":
            session.end_turns()
        if request.endpoint != "locust.swarm" or session.running:
            return None
        try:
            _prepare(session)
        except Refused as refusal:
            return jsonify(success=False, message=str(refusal), host=session.environment.host)
        return None

    @app.after_request
    def add_to_page(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            addresses = {name: session.address(name) for name in session.kinds}
            head, body = (
                render_template(f"locust_{part}.html", addresses=addresses)
                for part in ("head", "body")
            )
            text = response.get_data(as_text=True)
            text = text.replace("</head>", f"{head}</head>", 1)
            response.set_data(text.replace("<body>", f"<body>{body}", 1))
        return response


def _prepare(session: Session) -> None:
    """Take the services, the delay and the rate from Locust's form."""
    form = request.form
    try:
        valid_delay(form.get("delay", "0.1"))
        rate = float(valid_rate(form.get("rate", "")) or 0)
    except ArgumentTypeError as error:
        raise Refused(f"delay or rate {error}") from None
    chosen = [name for text in form.getlist("service") for name in text.split(",")]
    session.prepare(chosen or session.chosen, rate)
    users = form.get("user_count", "")
    session.users = math.ceil(int(users) / len(session.chosen)) if users.isdecimal() else 1
