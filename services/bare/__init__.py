"""HTTP clients of our own on bare sockets: what a request costs when its client costs nothing.

Nobody runs them in production. The variants whose `kind` is `bare` do here, to show what is
left of a service without its client; `tornado-future` takes the pool.
"""
