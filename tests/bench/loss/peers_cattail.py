"""Cattail's configuration."""

NOTE = """The smallest file, with the [stores](stores.md#when-a-memcached-dies) that MSM has, and with the health check that [failover.md](failover.md#how-it-comes-back) asks for, at the pace of the other experts' checks. With
the default pace a hang is noticed after 6 to 8 s; nothing else differs."""


TOKEN = "of-the-benchmark-alone"


def tuned(addresses, health, stores):
    """See NOTE."""
    backends = "\n".join(f"      - {{ address: {address}, jvm_route: {name} }}" for name, address in addresses.items())
    known = ", ".join(f'{name}: "{address}"' for name, address in stores.items())
    return f"""\
clusters:
  shop:
    stores: {{ memcached: {{ {known} }} }}
    health: {{ path: {health}, interval: 500ms, timeout: 500ms, fall: 2 }}
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
admin: {{ address: 127.0.0.1:{place.admin_port}, token_file: {place.write("token", TOKEN)} }}
# All browsers are at one address.
limits: {{ connections_per_client: 0 }}
access_log: {{ path: {place.folder}/access.log, format: json }}
{essence}""",
    )
    return [place.binary, "run", "--config", path]
