"""HAProxy's configurations."""


def usual(addresses, health):
    """A rule for each route, checks, another server when one cannot be reached."""
    rules = "\n".join(
        f"    use-server {name} if {{ req.cook(JSESSIONID) -m end .{name} }}" for name in addresses
    )
    servers = "\n".join(f"    server {name} {address} check" for name, address in addresses.items())
    return f"""\
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    retries 3
    option redispatch
    option forwardfor
frontend clients
    bind :80
    default_backend shop
backend shop
    balance roundrobin
    option httpchk GET {health}
{rules}
{servers}
"""


def expert(addresses, health):
    """The survivor by a consistent hash of the session's base; the first failure takes a server out for all."""
    rules = "\n".join(
        f"    use-server {name} if {{ req.cook(JSESSIONID) -m end .{name} }}" for name in addresses
    )
    servers = "\n".join(f"    server {name} {address}" for name, address in addresses.items())
    return f"""\
defaults
    mode http
    timeout connect 1s
    timeout client 50s
    timeout server 3s
    retries 3
    retry-on all-retryable-errors 404
    option redispatch 1
    option forwardfor
frontend clients
    bind :80
    default_backend shop
backend shop
    http-request set-var(txn.base) req.cook(JSESSIONID),field(1,-.)
    balance hash var(txn.base)
    hash-type consistent
    option httpchk GET {health}
    default-server check inter 500ms fastinter 250ms downinter 500ms fall 2 rise 2
    default-server observe layer4 error-limit 1 on-error mark-down
{rules}
{servers}
"""


def command(place, essence):
    """How it is started: two threads, as on a machine of two cores."""
    path = place.write(
        "haproxy.cfg",
        f"""\
global
    nbthread 2
    maxconn 4096
    log {place.folder}/log.sock local0
{essence.replace("bind :80", f"bind 127.0.0.1:{place.port}")}""",
    )
    return ["haproxy", "-db", "-f", path]
