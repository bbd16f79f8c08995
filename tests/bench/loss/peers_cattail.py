"""Cattail's configuration."""


def tuned(addresses, health):
    """Its smallest file, with the health check that its pages ask for, at a pace of half a second."""
    backends = "\n".join(f"      - {{ address: {address}, jvm_route: {name} }}" for name, address in addresses.items())
    return f"""\
clusters:
  shop:
    health: {{ path: {health}, interval: 500ms, timeout: 1s }}
    backends:
{backends}
"""


def command(place, essence):
    """How it is started."""
    path = place.write(
        "cattail.yaml",
        f"""\
listeners:
  - address: 127.0.0.1:{place.port}
admin: {{ address: 127.0.0.1:{place.admin_port} }}
access_log: {{ path: {place.folder}/access.log, format: json }}
{essence}""",
    )
    return [place.binary, "run", "--config", path]
