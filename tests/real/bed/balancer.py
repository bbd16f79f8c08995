"""HAProxy and nginx, before the proxy and behind it."""

import os
import socket
import subprocess

from . import parts
from .process import PartError, Process


class Server(Process):
    """A server with a configuration file of the test's, at ports that the test has chosen."""

    def __init__(self, name, folder, text, ports):
        super().__init__(name, folder)
        self.ports = ports
        self.file = os.path.join(folder, f"{name}.conf")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def is_ready(self):
        for port in self.ports:
            socket.create_connection(("127.0.0.1", port), 5).close()
        return True


class Balancer(Server):
    """Debian's HAProxy, with a whole configuration of the test's."""

    def command(self):
        return [parts.tool("haproxy"), "-db", "-f", self.file]


class Nginx(Server):
    """Debian's nginx; the configuration has the servers alone."""

    def __init__(self, name, folder, servers, ports):
        temporary = "".join(
            f"{kind}_temp_path {folder}/{name}-{kind}; "
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        super().__init__(name, folder, f"""\
daemon off;
user root;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {temporary}
    default_type text/plain;
{servers}
}}
""", ports)

    def command(self):
        return [parts.tool("nginx"), "-p", self.folder, "-c", self.file]

    def end(self):
        """Its workers end when it is asked to stop; they live on when it is killed."""
        if self.is_running:
            self.stop()


def certificate(folder, name):
    """A certificate that vouches for itself, with its key, in one file."""
    key, chain, both = (os.path.join(folder, f"{name}.{end}") for end in ("key", "crt", "pem"))
    made = subprocess.run(
        [parts.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", chain, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    if made.returncode != 0:
        raise PartError(f"no certificate: {made.stdout[-2000:]}")
    with open(both, "w", encoding="utf-8") as file:
        for part in (chain, key):
            with open(part, encoding="utf-8") as read:
                file.write(read.read())
    return both
