"""What an agent's words bring about: one agent, asked by HAProxy and by Cattail side by side."""

import dataclasses
import http.server
import json
import socket
import socketserver
import threading
import uuid

from bed import Browser, PartError, eventually
from scenarios import Scenario

# How long both wait for an answer, in seconds: who has given up has heard nothing, and that is not seen here.
PATIENCE = 2
# Longer than that.
LATE = 3 * PATIENCE
# New visitors of one look at how they are shared out: with both weights at 100, half of them are jvm1's.
VISITORS = 40


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a proxy says of a backend, and what it does with it, in words of neither."""

    # Whether new visitors come to it, and whether its own sessions stay.
    new: bool
    own: bool
    # Of a configured 100; None where nobody new comes anyway.
    weight: int | None
    # Requests at a time; 0: no bound.
    most: int = 0


SERVES = Meaning(True, True, 100)
DRAINS = Meaning(False, True, None)
OUT = Meaning(False, False, None)
RESET = "up ready 100% maxconn:0\n"


def at(weight):
    """It serves, with this weight."""
    return dataclasses.replace(SERVES, weight=weight)


def bound(most, meaning=SERVES):
    """The same, with this many requests at a time."""
    return dataclasses.replace(meaning, most=most)


class Late(str):
    """A line that comes too late."""


class Unended(str):
    """What is sent in place of a line, before the connection is closed."""


# What the agent says, line after line, each until both have heard it; and what both make of the last one.
AGREED = (
    (("up\n",), SERVES),
    (("down\n",), OUT),
    (("down # no database, come back up later\n",), OUT),
    (("fail #why\n",), OUT),
    (("stopped\n",), OUT),
    (("down\n", "up\n"), SERVES),
    (("stopped\n", "up\n"), SERVES),
    (("drain\n",), DRAINS),
    (("drain\n", "ready\n"), SERVES),
    (("maint\n",), OUT),
    (("maint\n", "ready\n"), SERVES),
    (("ready\n",), SERVES),
    # Each takes back only its own.
    (("down\n", "ready\n"), OUT),
    (("drain\n", "up\n"), DRAINS),
    (("maint\n", "up\n"), OUT),
    (("down\n", "75%\n"), OUT),
    (("drain\n", "75%\n"), DRAINS),
    (("drain\n", "maint\n"), OUT),
    (("maint\n", "drain\n"), DRAINS),
    (("drain\n", "down\n", "up\n"), DRAINS),
    (("75%\n",), at(75)),
    (("75%\n", "50%\n"), at(50)),
    (("1%\n",), at(1)),
    (("200%\n",), at(200)),
    (("0%\n",), DRAINS),
    (("0%\n", "100%\n"), SERVES),
    (("75%\n", "up\n"), at(75)),
    (("75%\n", "drain\n", "ready\n"), at(75)),
    (("maxconn:10\n",), bound(10)),
    (("maxconn:10\n", "maxconn:0\n"), SERVES),
    (("maxconn:10\n", "up\n"), bound(10)),
    # Several words in a line.
    (("up ready 50% maxconn:5\n",), bound(5, at(50))),
    (("drain,50%\n",), DRAINS),
    (("drain\t50%\n", "ready\n"), at(50)),
    (("maint 75%\n", "ready\n"), at(75)),
    (("down drain\n", "up\n"), DRAINS),
    (("ready down\n",), OUT),
    (("50% 25%\n",), at(25)),
    (("drain ready\n",), SERVES),
    (("UP Ready 50% MaxConn:5\n",), bound(5, at(50))),
    (("  drain  \n",), DRAINS),
    (("drain\r\n",), DRAINS),
    # What means nothing changes nothing.
    (("drain\n", "bananas\n"), DRAINS),
    (("bananas\n",), SERVES),
    (("bananas 40%\n",), at(40)),
    (("75\n",), SERVES),
    (("%\n",), SERVES),
    (("maxconn:\n",), SERVES),
    (("drain\n", "\n"), DRAINS),
    (("\n",), SERVES),
    # Nor does silence.
    (("75%\n", Unended("")), at(75)),
    (("drain\n", Unended("")), DRAINS),
    (("down\n", Unended("")), OUT),
    (("down\n", Late("up\n")), OUT),
    ((Late("down\n"),), SERVES),
)

# Where they differ: what HAProxy makes of it, what Cattail does. docs/health.md names each.
DIFFERENT = (
    # It wants a space before the reason.
    (("down#no database\n",), SERVES, OUT),
    # A line that ends with the connection is none.
    ((Unended("drain"),), SERVES, DRAINS),
    ((Unended("50%"),), SERVES, at(50)),
    # It knows no such word.
    (("weight:75%\n",), SERVES, at(75)),
    (("failed\n",), SERVES, OUT),
    # No weight of its is larger.
    (("1000%\n",), at(256), at(1000)),
    (("2000%\n",), at(256), at(1000)),
)


class Agent(socketserver.ThreadingTCPServer):
    """Says the same to both, and knows who asked by the line that each sends first."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Talk)
        self._changed = threading.Condition()
        self._line = RESET
        self._asked = {"haproxy": 0, "cattail": 0}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self):
        """Where it listens."""
        return self.server_address[1]

    def say(self, line):
        """Says this from now on; returns when both have heard it and have come back: what it means is known by then."""
        with self._changed:
            self._line = line
            before = dict(self._asked)
            # Who asks once more has taken in what it heard.
            both = self._changed.wait_for(lambda: all(self._asked[who] >= before[who] + 2 for who in before), 30)
        if not both:
            raise PartError(f"{line!r} was not heard: {before} questions before, {self._asked} after")

    def asked_by(self, who):
        """The line for a question that has just come."""
        with self._changed:
            self._asked[who] += 1
            self._changed.notify_all()
            return self._line


class _Talk(socketserver.StreamRequestHandler):
    def handle(self):
        who = self.rfile.readline().decode().strip()
        line = self.server.asked_by(who)
        try:
            if isinstance(line, Late):
                # Until who asked has given up.
                self.connection.settimeout(LATE)
                try:
                    self.connection.recv(1)
                except TimeoutError:
                    pass
            self.wfile.write(line.encode())
        except OSError:
            pass


class Named(http.server.ThreadingHTTPServer):
    """A backend that says its name."""

    daemon_threads = True

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.name = name
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self):
        """host:port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body at once: two writes would wait for an acknowledgement in between.
    wbufsize = -1

    def do_GET(self):
        """Its name."""
        body = self.server.name.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nobody reads it."""

    def handle(self):
        """Until the proxy has had enough."""
        try:
            super().handle()
        except ConnectionError:
            pass


class AgentWords(Scenario):
    @classmethod
    def lay_out(cls):
        cls.agent = Agent()
        cls.addClassCleanup(cls.agent.server_close)
        cls.addClassCleanup(cls.agent.shutdown)
        cls.backends = [Named("jvm1"), Named("jvm2")]
        for backend in cls.backends:
            cls.addClassCleanup(backend.server_close)
            cls.addClassCleanup(backend.shutdown)
        one, two = cls.backends
        cls.haproxy = cls.bed.haproxy(f"""
defaults
    mode http
    timeout connect 1s
    timeout check {PATIENCE}s
    timeout client 30s
    timeout server 30s
frontend clients
    bind $address
    default_backend shop
backend shop
    balance roundrobin
    use-server jvm1 if {{ req.cook(JSESSIONID) -m end .jvm1 }}
    server jvm1 {one.address} weight 100 agent-check agent-port {cls.agent.port} agent-inter 100ms agent-send "haproxy\\n"
    server jvm2 {two.address} weight 100
""")
        cls.cattail = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    slow_start: 0s
    health: {{ agent: {{ interval: 100ms, timeout: {PATIENCE}s, send: cattail }} }}
    backends:
      - {{ address: "{one.address}", jvm_route: jvm1, weight: 100, agent_port: {cls.agent.port} }}
      - {{ address: "{two.address}", jvm_route: jvm2, weight: 100 }}
""")

    def said_by_haproxy(self):
        """`show stat`."""
        row = self.haproxy.stat()["shop", "jvm1"]
        status, weight = row["status"].split()[0], int(row["weight"])
        self.assertIn(status, ("UP", "DOWN", "DRAIN", "NOLB", "MAINT", "no"), row)
        out = status in ("DOWN", "MAINT")
        new = not out and status not in ("DRAIN", "NOLB") and weight > 0
        return Meaning(new, not out, weight if new else None, int(row["slim"] or 0))

    def said_by_cattail(self):
        """`cattail status --format json`."""
        said, code = self.cattail.run("status", "--format", "json")
        self.assertEqual(code, 0, said)
        row = next(it for it in json.loads(said)["clusters"][0]["backends"] if it["name"] == "jvm1")
        out = row["state"] in ("down", "disabled")
        self.assertIn(row["state"], ("up", "draining", "down", "disabled"), row)
        new = row["state"] == "up" and row["weight"] > 0
        return Meaning(new, not out, row["weight"] if new else None, row["max_requests"])

    @staticmethod
    def visit(proxy):
        """To how many of the new visitors jvm1 answers."""
        browser = Browser(proxy.address)
        return sum(browser.get("/").text == "jvm1" for _ in range(VISITORS))

    def expect_deeds(self, proxy, meaning):
        """It does with requests what it says."""
        ours = self.visit(proxy)
        if not meaning.new:
            self.assertEqual(ours, 0)
        elif meaning.weight is not None:
            self.assertAlmostEqual(ours, VISITORS * meaning.weight / (meaning.weight + 100), delta=2)
        # A session of its own; another one each time, since where one went is remembered.
        browser = Browser(proxy.address)
        browser.id = f"{uuid.uuid4().hex}.jvm1"
        self.assertEqual(browser.get("/").text, "jvm1" if meaning.own else "jvm2")

    def say(self, lines):
        """From a fresh start."""
        self.agent.say(RESET)
        eventually("both are as at the start", lambda: (self.said_by_haproxy(), self.said_by_cattail()) == (SERVES, SERVES), 5)
        # Sessions of its own while nobody new came have left it in debt: those are paid back.
        self.visit(self.cattail)
        for line in lines:
            self.agent.say(line)

    def test_both_make_the_same_of_each_line(self):
        for lines, meaning in AGREED:
            with self.subTest(lines=lines):
                self.say(lines)
                self.assertEqual((self.said_by_haproxy(), self.said_by_cattail()), (meaning, meaning))
                self.expect_deeds(self.haproxy, meaning)
                self.expect_deeds(self.cattail, meaning)

    def test_the_differences_are_those_that_are_documented(self):
        for lines, theirs, ours in DIFFERENT:
            with self.subTest(lines=lines):
                self.say(lines)
                self.assertEqual((self.said_by_haproxy(), self.said_by_cattail()), (theirs, ours))
                self.expect_deeds(self.haproxy, theirs)
                self.expect_deeds(self.cattail, ours)
