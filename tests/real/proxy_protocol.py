"""The PROXY protocol with those who made it and those who speak it: HAProxy before and behind, nginx behind."""

import http.client
import json
import socket
import ssl
import unittest

from bed import Balancer, Bed, Nginx, certificate, eventually, free_port

# The second one is the balancer's own: the proxy must never take it for a client.
CLIENT, BALANCER = "127.0.0.7", "127.0.0.99"

FRONT = """\
global
    log stderr format raw local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
"""
# What a server behind says of the request and its connection.
SAYS = '{"xff":"$http_x_forwarded_for","proto":"$http_x_forwarded_proto","port":"$http_x_forwarded_port","cn":"$http_x_cn"}'
NGINX_SAYS = (
    '{"client":"$proxy_protocol_addr:$proxy_protocol_port","at":"$proxy_protocol_server_addr:$proxy_protocol_server_port"}'
)
HAPROXY_SAYS = '{\\"client\\":\\"%[src]:%[src_port]\\",\\"at\\":\\"%[dst]:%[dst_port]\\"}'


class Asking:
    """A client with an address of its own, on one connection."""

    def __init__(self, port, context=None, name="shop.example"):
        plain = socket.create_connection(("127.0.0.1", port), 10, source_address=(CLIENT, 0))
        self.own = "%s:%d" % plain.getsockname()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.sock = context.wrap_socket(plain, server_hostname=name) if context else plain

    def get(self, path="/"):
        """What the one behind says."""
        self._connection.request("GET", path, headers={"Host": "shop.example"})
        answer = self._connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, f"{answer.status}: {body}"
        return json.loads(body)

    def close(self):
        """Ends it."""
        self._connection.close()


class FromHAProxy(unittest.TestCase):
    """HAProxy, then Cattail, then an nginx that says what it was sent."""

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed()
        cls.addClassCleanup(cls.bed.end)
        cls.v1, cls.v2, cls.tls, cls.plain, origin = (free_port() for _ in range(5))
        nginx = cls.bed.kept(Nginx("nginx", cls.bed.folder, f"""
    server {{ listen 127.0.0.1:{origin}; location / {{ return 200 '{SAYS}'; }} }}
""", [origin]))
        cls.bed.start(nginx)
        cls.cattail = cls.bed.cattail(f"""
listeners:
  - address: 127.0.0.1:1
    proxy_protocol: {{ from: [{BALANCER}] }}
access_log: {{ path: {cls.bed.folder}/access.log, format: json }}
clusters:
  shop:
    affinity: none
    request_headers: {{ set: {{ X-Cn: $proxy_tls_cn }} }}
    backends: [127.0.0.1:{origin}]
""")
        cls.server, cls.browser = (certificate(cls.bed.folder, name) for name in ("shop.example", "ann"))
        options = "ssl,cert-cn,ssl-cipher,authority,unique-id,crc32c"
        to = f"{cls.cattail.address} source {BALANCER}"
        cls.haproxy = cls.bed.kept(Balancer("haproxy", cls.bed.folder, f"""{FRONT}
listen v1
    bind 127.0.0.1:{cls.v1}
    server cattail {to} send-proxy check inter 100
listen v2
    bind 127.0.0.1:{cls.v2}
    server cattail {to} send-proxy-v2 check inter 100
listen tls
    bind 127.0.0.1:{cls.tls} ssl crt {cls.server} ca-file {cls.browser} verify optional alpn http/1.1
    unique-id-format id-%pid-%ci-%cp
    server cattail {to} send-proxy-v2 proxy-v2-options {options}
listen none
    bind 127.0.0.1:{cls.plain}
    server cattail {to}
""", [cls.v1, cls.v2, cls.tls, cls.plain]))
        cls.bed.start(cls.haproxy)

    def test_both_versions_name_the_client(self):
        for port in (self.v1, self.v2):
            client = Asking(port)
            for _ in range(3):
                said = client.get()
                self.assertEqual((said["xff"], said["proto"], said["port"]), (CLIENT, "http", str(port)))
            client.close()

    def test_of_tls_it_tells_all(self):
        context = ssl.create_default_context(cafile=self.server)
        context.load_cert_chain(self.browser)
        context.set_alpn_protocols(["http/1.1"])
        client = Asking(self.tls, context)
        said = client.get("/by-tls")
        self.assertEqual(said, {"xff": CLIENT, "proto": "https", "port": str(self.tls), "cn": "ann"})
        client.close()
        line = self.logged("/by-tls")
        self.assertEqual(line["client_ip"], CLIENT)
        self.assertTrue(line["peer"].startswith(f"{BALANCER}:"), line["peer"])
        self.assertEqual((line["proxy_authority"], line["proxy_alpn"]), ("shop.example", "http/1.1"))
        self.assertEqual((line["proxy_tls_version"], line["proxy_tls_cn"]), ("TLSv1.3", "ann"))
        self.assertRegex(line["proxy_tls_cipher"], r"^TLS_")
        self.assertEqual(line["proxy_unique_id"].split("-")[2:], client.own.split(":"))

    def test_its_checks_are_no_faults(self):
        connections = self.cattail.metric("cattail_connections_total")
        eventually("it checks", lambda: self.cattail.metric("cattail_connections_total") > connections + 6, 20)
        for server in ("v1/cattail", "v2/cattail"):
            self.assertNotIn(f"Server {server} is DOWN", self.haproxy.output(100_000))
        for fault in ("timeout", "incomplete", "fields", "checksum", "addresses"):
            self.assertEqual(self.cattail.metric("cattail_proxy_protocol_errors_total", reason=fault), 0, fault)

    def test_without_a_header_nothing_is_served(self):
        before = self.cattail.metric("cattail_proxy_protocol_errors_total", reason="signature")
        client = Asking(self.plain)
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            client.get()
        client.close()
        after = self.cattail.metric("cattail_proxy_protocol_errors_total", reason="signature")
        self.assertEqual(after, before + 1)

    def test_who_goes_past_it_is_refused(self):
        refused = {"reason": "proxy_protocol"}
        before = self.cattail.metric("cattail_connections_refused_total", **refused)
        client = Asking(self.cattail.port)
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
            client.get()
        client.close()
        self.assertEqual(self.cattail.metric("cattail_connections_refused_total", **refused), before + 1)

    def logged(self, uri):
        """The line of the access log with this path."""

        def found():
            with open(f"{self.bed.folder}/access.log", encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            return next((line for line in lines if line["uri"] == uri), None)

        return eventually(f"{uri} is logged", found, 10)


class ToThoseBehind(unittest.TestCase):
    """Cattail, then HAProxy or nginx, which say whom they were told of; before it HAProxy."""

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed()
        cls.addClassCleanup(cls.bed.end)
        cls.front, nginx_port, haproxy_port = (free_port() for _ in range(3))
        nginx = cls.bed.kept(Nginx("nginx", cls.bed.folder, f"""
    server {{ listen 127.0.0.1:{nginx_port} proxy_protocol; location / {{ return 200 '{NGINX_SAYS}'; }} }}
""", [nginx_port]))
        # Named so that the order of the file decides nothing.
        cls.behind = cls.bed.kept(Balancer("behind", cls.bed.folder, f"""{FRONT}
frontend told
    mode http
    log global
    option httplog
    bind 127.0.0.1:{haproxy_port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{HAPROXY_SAYS}"
""", [haproxy_port]))
        cls.bed.start(nginx, cls.behind)
        clusters = "".join(f"""
  {name}-{version}:
    affinity: none
    proxy_protocol: {version}
    health: {{ {check}, interval: 100ms }}
    backends: [127.0.0.1:{port}]""" for name, port, check in (
            ("nginx", nginx_port, "path: /"), ("haproxy", haproxy_port, "path: /"), ("tcp", haproxy_port, "type: tcp"))
            for version in ("v1", "v2"))
        rules = "".join(f"  - {{ path: /{name}-{version}, cluster: {name}-{version} }}\n"
                        for name in ("nginx", "haproxy", "tcp") for version in ("v1", "v2"))
        text = f"rules:\n{rules}clusters:{clusters}\n"
        cls.direct = cls.bed.cattail(f"listeners:\n  - address: 127.0.0.1:1\n{text}")
        cls.inner = cls.bed.cattail(
            f"listeners:\n  - address: 127.0.0.1:1\n    proxy_protocol: {{ from: [127.0.0.0/8] }}\n{text}"
        )
        balancer = cls.bed.kept(Balancer("before", cls.bed.folder, f"""{FRONT}
listen front
    bind 127.0.0.1:{cls.front}
    server cattail {cls.inner.address} send-proxy-v2
""", [cls.front]))
        cls.bed.start(balancer)
        # The bed itself has looked whether it serves, and sent no header.
        cls.complaints = cls.behind.output(1_000_000).count("PROXY protocol header")

    def test_each_is_told_of_each_client(self):
        for path in ("nginx-v1", "nginx-v2", "haproxy-v1", "haproxy-v2", "tcp-v1", "tcp-v2"):
            clients = [Asking(self.direct.port) for _ in range(3)]
            for _ in range(3):
                for client in clients:
                    said = client.get(f"/{path}")
                    expected = {"client": client.own, "at": self.direct.address}
                    self.assertEqual(said, expected, path)
            for client in clients:
                client.close()
        # Connections are kept for their clients.
        self.assertGreaterEqual(self.direct.metric("cattail_backend_connection_reuses_total"), 36)

    def test_from_end_to_end_it_is_the_same_client(self):
        for path in ("nginx-v1", "nginx-v2", "haproxy-v1", "haproxy-v2"):
            client = Asking(self.front)
            for _ in range(2):
                said = client.get(f"/{path}")
                self.assertEqual(said, {"client": client.own, "at": f"127.0.0.1:{self.front}"}, path)
            client.close()

    def test_checks_pass_and_trouble_nobody(self):
        for name in ("nginx-v1", "nginx-v2", "haproxy-v1", "haproxy-v2", "tcp-v1", "tcp-v2"):
            passed = {"cluster": name, "result": "success"}
            eventually(f"{name} passes",
                       lambda: self.direct.metric("cattail_backend_checks_total", **passed) > 4, 20)
            self.assertEqual(self.direct.metric("cattail_backend_up", cluster=name), 1)
        complaints = self.behind.output(1_000_000).count("PROXY protocol header")
        self.assertEqual(complaints, self.complaints)
