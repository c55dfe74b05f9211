"""An environment that could do harm: other packages, another Python, another load, no UTF-8."""

from __future__ import annotations

NOWHERE = "/nowhere"
PYTHON = {
    "PYTHONHOME": NOWHERE,
    "PYTHONPATH": NOWHERE,
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONDEVMODE": "1",
    "PYTHONMALLOC": "debug",
    "PYTHONHASHSEED": "1",
    "PYTHONCASEOK": "1",
    "PYTHONSTARTUP": NOWHERE,
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}
HOSTILE = {
    **PYTHON,
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_USER": "1",
    "PIP_TARGET": NOWHERE,
    "PIP_CONSTRAINT": NOWHERE,
    "PIP_NO_BINARY": ":all:",
    "UV_PYTHON": "2.7",
    "UV_PROJECT_ENVIRONMENT": NOWHERE,
    "UV_SYSTEM_PYTHON": "1",
    "UV_OFFLINE": "1",
    "UV_CONSTRAINT": NOWHERE,
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "VIRTUAL_ENV": NOWHERE,
    "CONDA_PREFIX": NOWHERE,
    "GUNICORN_CMD_ARGS": "--workers 3",
    "UVICORN_WORKERS": "3",
    "SANIC_ACCESS_LOG": "1",
    "LOCUST_HOST": "http://127.0.0.1:1",
    "LOCUST_USERS": "3",
    "GEVENT_RESOLVER": "ares",
    "MPLBACKEND": "module://nowhere",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "COMPOSE_FILE": NOWHERE,
    "COMPOSE_PROJECT_NAME": "theirs",
    "COMPOSE_PROFILES": "floor",
    "DOCKER_DEFAULT_PLATFORM": "linux/s390x",
    "GIT_DIR": NOWHERE,
    "TLS_CERTIFICATE": NOWHERE,
    "MAKEFLAGS": "-j8",
    "LC_ALL": "C",
    "TZ": "Pacific/Apia",
    "CDPATH": "/",
}
# Of a Python that has started: these two would keep it from that.
OF_A_PROCESS = {
    name: value for name, value in HOSTILE.items() if name not in ("PYTHONHOME", "PYTHONSAFEPATH")
}
