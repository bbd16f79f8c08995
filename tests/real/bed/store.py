"""memcached and redis."""

import socket
import urllib.parse

from free_ports import free_port

from . import parts
from .process import Process


class Store(Process):
    """A server that speaks TCP; its port stays the same over restarts."""

    def __init__(self, name, folder, host="127.0.0.1"):
        super().__init__(name, folder)
        self.host = host
        self.port = free_port(host)

    @property
    def address(self):
        """host:port."""
        return f"{self.host}:{self.port}"

    def talk(self, *lines, until=b"END\r\n"):
        """Sends lines, returns what comes back until `until` does."""
        with socket.create_connection((self.host, self.port), 5) as talk:
            talk.sendall(b"".join(_line(line) for line in lines))
            answer = b""
            while not answer.endswith(until):
                piece = talk.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer


def _line(line):
    return (line if isinstance(line, bytes) else line.encode()) + b"\r\n"


class Memcached(Store):
    """Debian's memcached; its name is the node's in MSM."""

    def __init__(self, name, folder, host="127.0.0.1", options=()):
        super().__init__(name, folder, host)
        self.options = options

    @property
    def msm_name(self):
        """As in MSM's memcachedNodes."""
        return f"{self.name}:{self.address}"

    def command(self):
        # Root must name whom to become.
        return [parts.tool("memcached"), "-u", "root", "-U", "0", "-l", self.host, "-p", str(self.port), "-t", "1",
                *self.options]

    def is_ready(self):
        return self.talk("version", until=b"\r\n").startswith(b"VERSION ")

    def keys(self):
        """All keys, with `exp`, `la` and `size` as texts. Unlike `all`, `hash` leaves out none."""
        found = {}
        for line in self.talk("lru_crawler metadump hash").decode().splitlines():
            fields = dict(field.split("=", 1) for field in line.split() if "=" in field)
            if "key" in fields:
                found[urllib.parse.unquote(fields.pop("key"))] = fields
        return found

    def get(self, key):
        """The value; None if there is none."""
        answer = self.talk(f"get {key}")
        head, _, rest = answer.partition(b"\r\n")
        if not head.startswith(b"VALUE "):
            return None
        return rest[: int(head.split()[3])]

    def put(self, key, value):
        """Stores it for good."""
        self.talk(b"set %s 0 0 %d\r\n%s" % (key.encode(), len(value), value), until=b"\r\n")

    def life(self, key):
        """For how many seconds it is there yet; None if it is not there."""
        words = self.talk(f"mg {key} t", until=b"\r\n").split()
        return int(words[1][1:]) if words[0] == b"HD" else None

    def delete(self, key):
        """Whether it was there."""
        return self.talk(f"delete {key}", until=b"\r\n").startswith(b"DELETED")

    def flush(self):
        """Forgets everything."""
        self.talk("flush_all", until=b"\r\n")


class Redis(Store):
    """Debian's redis, in memory alone."""

    def __init__(self, name, folder, host="127.0.0.1", password=None):
        super().__init__(name, folder, host)
        self.password = password

    @property
    def url(self):
        """redis://[:password@]host:port."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.address}"

    @property
    def msm_name(self):
        """As in MSM's memcachedNodes."""
        return self.url

    def command(self):
        secret = ["--requirepass", self.password] if self.password else []
        return [parts.tool("redis-server"), "--bind", self.host, "--port", str(self.port), "--save", "",
                "--appendonly", "no", "--dir", self.folder, *secret]

    def ask(self, *words):
        """A command, as redis-cli would print its answer: a text, a number, a list, None."""
        with socket.create_connection((self.host, self.port), 5) as talk:
            lines = talk.makefile("rb")
            if self.password:
                talk.sendall(_command("AUTH", self.password))
                _reply(lines)
            talk.sendall(_command(*words))
            return _reply(lines)

    def is_ready(self):
        return self.ask("PING") == b"PONG"

    def keys(self):
        """All keys."""
        return {key.decode() for key in self.ask("KEYS", "*")}

    def get(self, key):
        """The value; None if there is none."""
        return self.ask("GET", key)


def _command(*words):
    texts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)


def _reply(lines):
    line = lines.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else lines.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_reply(lines) for _ in range(int(rest))]
    raise OSError(f"redis says {line!r}")
