"""Flask with requests, as its readers write it: gunicorn --threads 20 with_flask:app."""

from __future__ import annotations

import os

import requests
from flask import Flask

app = Flask(__name__)
session = requests.Session()


@app.get("/orders/<int:number>")
def order(number: int) -> dict[str, object]:
    answer = session.get(f"{os.environ['UPSTREAM']}/stock/{number}", timeout=30)
    return {"order": number, "stock": answer.json()}
