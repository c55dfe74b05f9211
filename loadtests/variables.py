"""The caller's environment, less the variables that would change what is installed or measured.

Services see fewer still: services/folders.py. Only the standard library is needed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

# By their beginnings: another Python, other packages, another load, other containers, another
# repository, as that of a git hook that runs a command, services that speak TLS.
REFUSED = re.compile(
    "PYTHON|VIRTUAL_ENV|CONDA_|PIP_|UV_|GEVENT|LOCUST_|COMPOSE_|BUILDX_|BUILDKIT_"
    "|DOCKER_BUILDKIT|DOCKER_DEFAULT_PLATFORM|GIT_DIR|GIT_WORK_TREE|GIT_INDEX_FILE"
    "|TLS_CERTIFICATE|TLS_KEY"
)
# Of those: how a terminal shows text, from where packages come, and how one gets there.
HEEDED = re.compile(
    "PYTHONIOENCODING"
    "|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|CONFIG_FILE|KEYRING_PROVIDER)"
    "|PIP_(TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|TIMEOUT|DEFAULT_TIMEOUT|RETRIES)"
    "|UV_(DEFAULT_INDEX|INDEX|INDEX_.*|EXTRA_INDEX_URL|FIND_LINKS|CONFIG_FILE|KEYRING_PROVIDER)"
    "|UV_(INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*|REQUEST_TIMEOUT)"
    "|UV_(CACHE_DIR|LINK_MODE|CONCURRENT_.*)"
)


def heeded(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what a command does not heed."""
    return {
        name: value
        for name, value in environ.items()
        if not REFUSED.match(name) or HEEDED.fullmatch(name)
    }


def start_over() -> None:
    """Become this command again, without the variables that it must not see, if there are any."""
    ours = heeded(os.environ)
    if ours != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], ours)
