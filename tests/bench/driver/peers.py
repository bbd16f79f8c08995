"""The proxies under test: the configuration of each, and its start.

All do the same work: HTTP/1.1 to clients and upstream, connections kept alive on both sides, plain round robin over
two backends, Host kept, X-Forwarded-For/-Proto/-Host/-Port set, one worker. Other settings are Cattail's alone.
"""

import dataclasses
import json
import os
import subprocess
import urllib.request

import processes
from client import Client
from free_ports import free_port
from processes import BenchError

CATTAIL, HAPROXY, NGINX = "cattail", "haproxy", "nginx"
ALL = (HAPROXY, NGINX, CATTAIL)

# Beyond what any run sends, so that no connection is renewed in the middle.
REQUESTS_PER_CONNECTION = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Settings:
    """What differs from one configuration to another; all but the access log is Cattail's alone."""

    access_log: str = "off"
    affinity: str = "none"
    workers: int = 1
    # Idle connections kept to each backend.
    pool: int = 128
    # Sessions that are remembered at most: the default.
    ledger: int = 1_000_000
    # Has a listener for TLS as well.
    secure: bool = False
    # Takes orders of administrators; sessions can go on at the other backend.
    emptied: bool = False

# Of the admin listener where orders are taken.
TOKEN = "of-the-benchmark-alone"


class Proxy:
    """One running proxy."""

    def __init__(self, name, site, settings=Settings(), wrapper=()):
        self.name = name
        self.settings = settings
        self.port = free_port()
        self.admin_port = free_port()
        self.secure_port = free_port()
        folder = os.path.join(site.work, f"{name}-{self.port}")
        os.mkdir(folder)
        self.log = os.path.join(folder, "output.log")
        self.access_log = os.path.join(folder, "access.log")
        command = COMMANDS[name](self, folder, site)
        cpus = processes.PROXY_CPU if settings.workers == 1 else processes.BOTH_CPUS
        self.process = processes.start([*wrapper, *command], cpus, self.log)
        try:
            processes.wait_until(self._answers, 20, f"{name} to answer")
        except BenchError as error:
            self.stop()
            raise BenchError(f"{error}\n{self.output()}") from error

    def _answers(self):
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended at its start")
        try:
            with Client(self.port) as client:
                return client.get("/1k")[0] == 200
        except OSError:
            return False

    def output(self):
        """The end of what it said."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    @property
    def pid(self):
        return self.process.pid

    def check(self, path, size):
        """Raises unless the proxy does the work that is measured."""
        with Client(self.port) as client:
            status, body = client.get(path)
            if status != 200 or len(body) != size:
                raise BenchError(f"{self.name}: {path} answers {status} with {len(body)} bytes")
            _, head = client.get("/head")
            fields = forwarded_fields(head.decode("latin-1"))
            wanted = {
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-proto": "http",
                "x-forwarded-host": client.host,
                "x-forwarded-port": str(self.port),
            }
            if fields != wanted:
                raise BenchError(f"{self.name}: the backend sees {fields}, expected {wanted}")

    def metric(self, series):
        """The sum of Cattail's series whose names, labels included, begin so."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(series)]
        if not found:
            raise BenchError(f"{self.name} has no metric {series}")
        return int(sum(found))

    def ask(self, path, order=None):
        """What the API says to a question, or to an order; for Cattail that is to be emptied."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_port}/api/v1{path}",
            data=None if order is None else json.dumps(order).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method="GET" if order is None else "PUT",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        processes.stop(self.process)

    def check_access_log(self, requests):
        """Raises if requests are missing in the stopped proxy's log: lines not written cost nothing."""
        if self.name == HAPROXY:
            return  # Sends them to a socket, where lines may get lost on any system.
        if not os.path.exists(self.access_log):
            raise BenchError(f"{self.name} wrote no access log")
        with open(self.access_log, "rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        if lines < requests:
            raise BenchError(f"{self.name}: {lines} lines in the access log of {requests} requests")


def forwarded_fields(head):
    """The X-Forwarded fields of a request head, names in lower case."""
    fields = {}
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower().startswith("x-forwarded-"):
            fields[name.lower()] = value.strip()
    return fields


def _write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _certificate(folder):
    """A certificate and its key in one file, P-256."""
    path = os.path.join(folder, "both.pem")
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )
    with open(path, "wb") as both:
        for part in (cert, key):
            with open(part, "rb") as file:
                both.write(file.read())
    os.chmod(path, 0o600)
    return path


def _nginx(proxy, folder, site):
    user = "user root;" if os.geteuid() == 0 else ""
    log = "off" if proxy.settings.access_log == "off" else f"{folder}/access.log combined buffer=64k flush=1s"
    secure = ""
    if proxy.settings.secure:
        both = _certificate(folder)
        secure = f"listen 127.0.0.1:{proxy.secure_port} ssl http2 backlog=4096; ssl_certificate {both}; ssl_certificate_key {both}; http2_max_concurrent_streams 128;"
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return ["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", _write(folder, "nginx.conf", f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {site.file_limit};
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections {site.connections}; }}
http {{
    access_log {log};
{temporary}
    proxy_max_temp_file_size 0;
    keepalive_timeout 300s;
    keepalive_requests {REQUESTS_PER_CONNECTION};
    upstream shop {{
        server 127.0.0.1:{site.backends[0]};
        server 127.0.0.1:{site.backends[1]};
        keepalive 128;
        keepalive_requests {REQUESTS_PER_CONNECTION};
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{proxy.port} backlog=4096;
        {secure}
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Port $server_port;
        }}
    }}
}}
""")]


def _haproxy(proxy, folder, site):
    secure = f"bind 127.0.0.1:{proxy.secure_port} backlog 4096 ssl crt {_certificate(folder)} alpn h2,http/1.1" if proxy.settings.secure else ""
    to, option = ("", "") if proxy.settings.access_log == "off" else (f"log {site.log_socket} local0 info", "option httplog")
    return ["haproxy", "-db", "-f", _write(folder, "haproxy.cfg", f"""
global
    nbthread 1
    maxconn {site.connections}
    no strict-limits
    {to}
defaults
    mode http
    {"log global" if to else "no log"}
    {option}
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    option http-keep-alive
    http-reuse always
frontend clients
    bind 127.0.0.1:{proxy.port} backlog 4096
    {secure}
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    default_backend shop
backend shop
    balance roundrobin
    server jvm1 127.0.0.1:{site.backends[0]}
    server jvm2 127.0.0.1:{site.backends[1]}
""")]


def _cattail(proxy, folder, site):
    settings = proxy.settings
    log = "" if settings.access_log == "off" else f"access_log: {{ path: {folder}/access.log, format: combined }}"
    token = f", token_file: {_write(folder, 'token', TOKEN)}" if settings.emptied else ""
    secure, handshakes = "", ""
    if settings.secure:
        both = _certificate(folder)
        # All come from one address.
        handshakes = "handshakes: { per_client: 0, in_all: 0 }"
        secure = f"- {{ address: '127.0.0.1:{proxy.secure_port}', tls: {{ certificates: [{{ cert: {both}, key: {both} }}] }} }}"
    emptied = "replicated: true\n    slow_start: 2s" if settings.emptied else ""
    return [site.binary, "run", "--config", _write(folder, "cattail.yaml", f"""
workers: {settings.workers}
listeners:
  - address: 127.0.0.1:{proxy.port}
  {secure}
admin: {{ address: 127.0.0.1:{proxy.admin_port}{token} }}
{log}
limits:
  connections: {site.connections}
  connections_per_client: {site.connections}
  requests_per_connection: {REQUESTS_PER_CONNECTION}
  ledger: {settings.ledger}
  {handshakes}
clusters:
  shop:
    affinity: {settings.affinity}
    {emptied}
    pool: {{ max_idle: {settings.pool} }}
    # The others send none either.
    forwarded: {{ x_real_ip: false }}
    backends:
      - {{ address: 127.0.0.1:{site.backends[0]}, jvm_route: jvm1 }}
      - {{ address: 127.0.0.1:{site.backends[1]}, jvm_route: jvm2 }}
""")]


COMMANDS = {CATTAIL: _cattail, HAPROXY: _haproxy, NGINX: _nginx}
