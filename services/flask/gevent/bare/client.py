"""The backend by the client of our own in services/bare, and a calmer interpreter."""

from bare import socket_client, tuning


class Backend(socket_client.Backend):
    def __init__(self) -> None:
        super().__init__()
        tuning.calm_gc()
        tuning.calm_switching()  # of threads: no effect on greenlets
