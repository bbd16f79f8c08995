"""Clients that say what they have to say once, and then hold their connection in silence."""

import socket
import ssl

SESSION = "JSESSIONID=D20877A04A8A2A6D7B9E0DF1C65AD799"
BROWSER = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-US,en;q=0.5",
    "accept-encoding": "gzip, deflate, br, zstd",
}
WEBSOCKET = {
    "connection": "keep-alive, Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
# A text of five bytes, unmasked: nobody looks at it, and it comes back as it is.
MESSAGE = b"\x81\x05hello"
HEADERS, SETTINGS, GOAWAY = 1, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
# `:method: GET`, `:scheme: https`, `:path: /` and `:status: 200` in HPACK's table.
INDEXED_GET, INDEXED_HTTPS, INDEXED_ROOT = b"\x82", b"\x87", b"\x84"
AUTHORITY = 1


class Failure(Exception):
    """What makes a figure worthless."""


def opened(address, source, tls):
    """A connection from an address of the loopback's, secured where `tls` is a context."""
    line = socket.create_connection(address, 60, source_address=(source, 0))
    return tls.wrap_socket(line, server_hostname="shop.example") if tls else line


def context(alpn):
    """TLS 1.3, whoever the server is."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.set_alpn_protocols([alpn])
    return tls


def http1(line, route):
    """One request by HTTP/1.1, its answer to the end."""
    line.sendall(request(browser(route)))
    with line.makefile("rb") as answer:
        if answer.readline().split()[1] != b"200":
            raise Failure("not a 200")
        head = {}
        while field := answer.readline().strip():
            name, _, value = field.partition(b":")
            head[name.lower()] = value
        answer.read(int(head[b"content-length"]))


def websocket(line, route):
    """A WebSocket, and a message each way."""
    line.sendall(request(browser(route) | WEBSOCKET))
    with line.makefile("rb") as answer:
        if answer.readline().split()[1] != b"101":
            raise Failure("not switched")
        while answer.readline().strip():
            pass
        line.sendall(MESSAGE)
        if answer.read(len(MESSAGE)) != MESSAGE:
            raise Failure("not an echo")


def browser(route):
    """What a browser says that has a session there."""
    return BROWSER | {"cookie": f"{SESSION}.{route}"}


def request(fields):
    """A head in HTTP/1.1."""
    lines = ["GET / HTTP/1.1", "host: shop.example"] + [f"{name}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def http2(line, route):
    """One request by HTTP/2, its answer to the end of its stream."""
    block = INDEXED_GET + INDEXED_HTTPS + INDEXED_ROOT + bytes([0x40 | AUTHORITY]) + text("shop.example")
    block += b"".join(b"\x40" + text(name) + text(value) for name, value in browser(route).items())
    line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
    with line.makefile("rb") as answer:
        while True:
            head = answer.read(9)
            if len(head) < 9 or head[3] == GOAWAY:
                raise Failure("no answer by HTTP/2")
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
            payload = answer.read(length)
            if kind == SETTINGS and not flags & ACK:
                line.sendall(frame(SETTINGS, ACK, 0))
            # 0x88: `:status: 200`; a change of the table's size may stand before it.
            if kind == HEADERS and b"\x88" not in payload[:4]:
                raise Failure("not a 200 by HTTP/2")
            if stream == 1 and flags & END_STREAM and kind != SETTINGS:
                return


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(value):
    """A string of HPACK's, not compressed."""
    # A length of 127 and more goes on in a second byte.
    length = bytes([len(value)]) if len(value) < 127 else bytes([127, len(value) - 127])
    return length + value.encode()
