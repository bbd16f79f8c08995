"""What asks the proxies: single requests for checks, wrk for load, and clients that stay and say nothing."""

import json
import os
import re
import socket
import subprocess

import processes
from processes import BenchError

HERE = os.path.dirname(os.path.abspath(__file__))

# What a browser sends beside Host: 16 fields, about 800 bytes.
BROWSER_FIELDS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: zh-CN,zh;q=0.9,en-US;q=0.8,en;q=0.7",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cache-Control: max-age=0",
    "Cookie: JSESSIONID=D2081B9F3A6E4C7A8B1E5F90C2D3A799-n1.jvm1; lang=zh_CN; theme=dark",
    "Referer: http://shop.example.com/test/index.jsp?page=2&sort=price",
    "Sec-Ch-Ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"",
    "Sec-Ch-Ua-Mobile: ?0",
    "Sec-Ch-Ua-Platform: \"Linux\"",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Upgrade-Insecure-Requests: 1",
    "Dnt: 1",
)


class Client:
    """One kept-alive connection."""

    def __init__(self, port, source=None):
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def get(self, path, fields=()):
        """Status and body of an answer with Content-Length."""
        head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", f"Host: {self.host}", *fields))
        self.socket.sendall(f"{head}\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next(int(l.split(":")[1]) for l in lines[1:] if l.lower().startswith("content-length:"))
        while len(body) < length:
            body += self._receive()
        return int(lines[0].split()[1]), body

    def _receive(self):
        data = self.socket.recv(262144)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        return data

    def is_open(self):
        """Whether the proxy keeps the connection, and said nothing unasked."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1)
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False


def wrk(port, path, connections, seconds, fields=(), cpus=processes.OTHER_CPU, sessions=None, scheme="http"):
    """Load for some seconds, from one thread on each CPU; what wrk measured. Any failed request makes the run worthless.

    Requests may show ids of the back end's sessions, in turn: `sessions` is how many, and which is the first.
    """
    command = ["taskset", "-c", ",".join(str(cpu) for cpu in sorted(cpus))]
    command += ["wrk", f"-t{len(cpus)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", os.path.join(HERE, "wrk.lua")]
    for field in fields:
        command += ["-H", field]
    command += [f"{scheme}://127.0.0.1:{port}{path}"]
    if sessions:
        command += ["--", *(str(number) for number in sessions)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    marked = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not marked:
        raise BenchError(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(marked[0].removeprefix("RESULT "))
    errors = {kind: result[kind] for kind in ("connect", "read", "write", "status", "timeout") if result[kind]}
    if errors or not result["requests"]:
        raise BenchError(f"wrk saw failures: {errors}, {result['requests']} requests")
    return result


STREAMS = 32
_US = {"us": 1, "ms": 1e3, "s": 1e6}


def h2load(port, path, connections, seconds):
    """The same by HTTP/2, with so many streams at a time on each connection."""
    cpus = ",".join(str(cpu) for cpu in sorted(processes.OTHER_CPU))
    command = ["taskset", "-c", cpus, "h2load", f"--clients={connections}", f"--max-concurrent-streams={STREAMS}"]
    command += [f"--duration={seconds}", f"https://127.0.0.1:{port}{path}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    counted = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", done.stdout)
    times = re.search(r"^time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\s", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not counted or not times or "h2" not in done.stdout:
        raise BenchError(f"h2load failed: {done.stdout}{done.stderr}")
    requests, good, failed = (int(number) for number in counted.groups())
    if failed or good != requests or not requests:
        raise BenchError(f"h2load saw failures: {counted.group(0)}")
    # Its table has a mean and no shares.
    mean = float(times.group(1)) * _US[times.group(2)]
    return {"requests": requests, "duration_us": seconds * 1e6, "p50_us": mean, "p99_us": mean}


def idle_clients(port, count):
    """Clients that made one request each and stay; spread over source addresses as strangers are."""
    clients = []
    for index in range(count):
        client = Client(port, source=f"127.0.{1 + index % 20}.{1 + index % 7}")
        clients.append(client)
        status, _ = client.get("/1k")
        if status != 200:
            raise BenchError(f"idle client {index} was answered {status}")
    return clients
