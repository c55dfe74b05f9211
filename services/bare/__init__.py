"""HTTP clients of our own on bare sockets: what a request costs when its client costs nothing.

Nobody runs them. The variants whose `kind` is `bare` do, to show what is left of a service
without its client.
"""
