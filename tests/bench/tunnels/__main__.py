"""What an idle tunnel costs: opens many WebSockets through Cattail, and reads its resident memory.

    python3 tests/bench/tunnels --binary target/release/cattail [--count 2000] [--log] [--tls]

Opens them, sends one message each way on each, waits until all is quiet, and prints what the process grew by. Kernel memory of the
sockets is not in it. Needs two descriptors for each tunnel here and two in Cattail: see `ulimit -n`.
"""

import argparse
import asyncio
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Cookie: JSESSIONID=D20877A04A8A2A6D7B9E0DF1C65AD799.jvm1\r\n\r\n"
).encode()
SWITCHED = (
    b"HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
MESSAGE = b"\x81\x05hello"


async def far(reader, writer):
    """The backend: switches and echoes."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHED)
        while data := await reader.read(4096):
            writer.write(data)
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def near(port, tls):
    """One client; its tunnel stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="shop.example" if tls else None)
    writer.write(UPGRADE)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        sys.exit(f"not switched: {head!r}")
    writer.write(MESSAGE)
    if await reader.readexactly(len(MESSAGE)) != MESSAGE:
        sys.exit("not an echo")
    return writer


def resident(pid):
    """Bytes of a process that are in memory."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    sys.exit("no VmRSS")


def certificate(folder):
    """A certificate of its own making, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


def configuration(options, folder, port, far_port):
    """The text of the file."""
    tls = ""
    if options.tls:
        cert, key = certificate(folder)
        tls = f", tls: {{ certificates: [{{ cert: '{cert}', key: '{key}' }}] }}"
    log = f"access_log: {{ path: '{folder}/access.log', format: json }}\n" if options.log else ""
    return (
        f"workers: 1\n{log}shutdown: {{ tunnel_deadline: 0s }}\nlisteners: [{{ address: '127.0.0.1:{port}'{tls} }}]\n"
        f"limits: {{ connections: {options.count + 100}, connections_per_client: {options.count + 100} }}\n"
        f"clusters: {{ shop: {{ backends: [{{ address: '127.0.0.1:{far_port}', jvm_route: jvm1 }}] }} }}\n"
    )


def free_port():
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def open_all(options, port):
    """All clients, some at a time."""
    tls = None
    if options.tls:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    writers = []
    while len(writers) < options.count:
        batch = min(50, options.count - len(writers))
        writers += await asyncio.gather(*(near(port, tls) for _ in range(batch)))
    return writers


async def measure(options, folder):
    """Starts all, and prints."""
    server = await asyncio.start_server(far, "127.0.0.1", 0, backlog=4096)
    port, far_port = free_port(), server.sockets[0].getsockname()[1]
    file = folder / "cattail.yaml"
    file.write_text(configuration(options, folder, port, far_port), encoding="ascii")
    proxy = subprocess.Popen([options.binary, "run", "--config", file])
    try:
        for _ in range(200):
            try:
                # The first ones, so that what is made once is not counted.
                first = [await near(port, None)] if not options.tls else []
                break
            except OSError:
                await asyncio.sleep(0.05)
        else:
            sys.exit("cattail does not listen")
        if options.tls:
            warm = argparse.Namespace(tls=True, count=1)
            first = await open_all(warm, port)
        await asyncio.sleep(1)
        before = resident(proxy.pid)
        writers = await open_all(options, port)
        await asyncio.sleep(2)
        after = resident(proxy.pid)
        each = (after - before) / options.count
        print(f"{options.count} idle tunnels: {before >> 10} KiB before, {after >> 10} KiB after, {each / 1024:.1f} KiB each")
        for writer in first + writers:
            writer.close()
    finally:
        proxy.terminate()
        proxy.wait(60)


def main():
    """Reads the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--log", action="store_true", help="with an access log")
    parser.add_argument("--tls", action="store_true", help="clients come by TLS")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        asyncio.run(measure(options, folder))
    finally:
        shutil.rmtree(folder)


main()
