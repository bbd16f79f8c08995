"""Measures the resident memory of Cattail for each client that holds its connection and is silent.

Each kind has a Cattail of its own with one worker. What the process grew by, from ten such clients to all of them, is divided by
their number; kernel memory of the sockets is not in it. That all are still connected is asked of its metrics.
"""

import argparse
import concurrent.futures
import contextlib
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import clients
from clients import Failure
from free_ports import free_port

# Kind -> (what its clients say, the protocol of TLS or nothing, sockets of Cattail's for each, the most KiB for each).
KINDS = {
    "http1-tls": (clients.http1, "http/1.1", 1, 40),
    "http2-tls": (clients.http2, "h2", 1, 40),
    "ws": (clients.websocket, None, 2, 20),
    "ws-tls": (clients.websocket, "http/1.1", 2, 20),
}
# Those that are there when measuring begins, so that what is made once is not counted.
FIRST = 10
# Descriptors of a process for all but its clients.
OTHERS = 200
LITTLE = 64 << 10
# How many at a time open their connections.
AT_A_TIME = 16
# Ports of one address are soon used up: clients and backends have several.
ADDRESSES = 8


def main():
    options = arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("| kind | clients | before, MiB | after, MiB | KiB each | at most |")
    print("|---|---|---|---|---|---|")
    missed = []
    for kind in options.kinds:
        says, alpn, sockets, most = KINDS[kind]
        count = min(options.count, (hard - OTHERS) // sockets)
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
            before, after = measured(options, (says, alpn, count), pathlib.Path(folder), ending)
        each = (after - before) / count / 1024
        print(f"| {kind} | {count} | {before >> 20} | {after >> 20} | {each:.1f} | {most} |", flush=True)
        if count < options.count:
            print(f"note: {hard} descriptors (ulimit -Hn) are enough for {count} alone", file=sys.stderr)
        if each > most:
            missed.append(f"{kind} ({each:.1f} KiB)")
    if options.check and missed:
        raise Failure(f"more memory than the bound: {', '.join(missed)}")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/bench/memory", description=__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of these, by commas: %(default)s")
    parser.add_argument("--count", type=int, default=10_000, help="clients: %(default)s")
    parser.add_argument("--log", action="store_true", help="with an access log")
    parser.add_argument("--binary", required=True, help="the cattail to measure; default: built with profile dist")
    parser.add_argument("--smoke", action="store_true", help="a few clients, whose figures mean nothing")
    parser.add_argument("--assert", dest="check", action="store_true", help="fail when a bound is missed")
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    for kind in options.kinds:
        if kind not in KINDS:
            parser.error(f"no such kind: {kind}")
    if options.smoke:
        if options.check:
            parser.error("a few clients assert nothing")
        options.count = 100
    return options


def measured(options, asked, folder, ending):
    """Resident memory with the first clients, and with all of them besides."""
    says, alpn, count = asked
    tls = alpn and clients.context(alpn)
    far = started_backend(ending)
    port, admin = free_port(), free_port()
    file = folder / "cattail.yaml"
    file.write_text(configuration(options, folder, (port, admin, far), tls), encoding="ascii")
    proxy = started([options.binary, "run", "--config", file], ending)
    wait_for(f"http://127.0.0.1:{admin}/readyz", proxy)
    held = []
    ending.callback(lambda: [line.close() for line in held])

    def begin(number):
        which = number % ADDRESSES + 1
        line = clients.opened(("127.0.0.1", port), f"127.0.1.{which}", tls)
        held.append(line)
        says(line, f"jvm{which}")

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as many:
        list(many.map(begin, range(FIRST)))
        before = at_rest(proxy)
        list(many.map(begin, range(count)))
    after = at_rest(proxy)
    connected = connections(admin)
    if connected != FIRST + count:
        raise Failure(f"{connected} of {FIRST + count} clients are connected")
    return before, after


def configuration(options, folder, ports, tls):
    """The text of the file."""
    port, admin, far = ports
    secured = ""
    if tls:
        cert, key = certificate(folder)
        secured = f", tls: {{ certificates: [{{ cert: '{cert}', key: '{key}' }}] }}"
    log = f"access_log: {{ path: '{folder}/access.log', format: json }}\n" if options.log else ""
    numbers = range(1, ADDRESSES + 1)
    backends = ", ".join(f"{{ address: '127.0.2.{each}:{far}', jvm_route: jvm{each} }}" for each in numbers)
    return (
        f"workers: 1\nlog: {{ level: error }}\nadmin: {{ address: '127.0.0.1:{admin}' }}\n{log}shutdown: {{ deadline: 1s, tunnel_deadline: 0s }}\n"
        f"listeners: [{{ address: '127.0.0.1:{port}'{secured} }}]\n"
        f"limits: {{ connections: {options.count + OTHERS}, connections_per_client: 0, idle: 1h }}\n"
        f"clusters: {{ shop: {{ backends: [{backends}] }} }}\n"
    )


def certificate(folder):
    """A certificate of its own making, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        + ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


def started_backend(ending):
    """The port of the backend, which is at all addresses of the loopback's."""
    with socket.create_server(("0.0.0.0", 0), backlog=4096) as listening:
        script = pathlib.Path(__file__).with_name("backend.py")
        command = [sys.executable, script, str(listening.fileno())]
        started(command, ending, pass_fds=[listening.fileno()])
        return listening.getsockname()[1]


def started(command, ending, **how):
    """A process that ends with what it is for."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **how)

    def end():
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    ending.callback(end)
    return process


def wait_for(url, proxy):
    """Until it answers 200."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if proxy.poll() is not None or time.monotonic() > deadline:
                raise Failure("cattail does not get ready") from None
            time.sleep(0.05)


def connections(admin):
    """How many clients are connected."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=20) as page:
        for line in page.read().decode().splitlines():
            if line.startswith("cattail_connections_open{"):
                return int(float(line.split()[1]))
    raise Failure("no metric of open connections")


def at_rest(proxy):
    """Bytes that are resident once they have stayed the same for two seconds, but for a little house-keeping."""
    deadline = time.monotonic() + 60
    seen, since = resident(proxy.pid), time.monotonic()
    while time.monotonic() < since + 2:
        time.sleep(0.2)
        now = resident(proxy.pid)
        if abs(now - seen) > LITTLE:
            seen, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise Failure("its memory does not come to rest")
    return seen


def resident(pid):
    """Bytes of a process that are in memory."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failure("no VmRSS")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
