"""A browser's connections: HTTP/1.1, kept alive, one request at a time."""

import asyncio
import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    # The session id that it sets; empty: none.
    set_cookie: str
    body: bytes


class Died(Exception):
    """The connection ended before its answer did."""

    def __init__(self, why, silent):
        super().__init__(why)
        # Whether the other side ended it without one byte of an answer.
        self.silent = silent


class Connection(asyncio.Protocol):
    """One connection; `ask` again only after the answer."""

    def __init__(self):
        self._transport = None
        self._received = bytearray()
        self._waiting = None
        # What the connection was ended for, once it is.
        self._ended = None
        self._closes = False

    @classmethod
    async def open(cls, address):
        """Connects to host:port."""
        host, _, port = address.rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        return connection

    @property
    def usable(self):
        """Whether another request may be sent on it, as far as is known."""
        return self._ended is None and not self._closes

    async def ask(self, request):
        """Sends a request and waits for its answer."""
        if self._ended is not None:
            raise Died(self._ended, True)
        self._received.clear()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self, why="closed"):
        """Ends it at once; whoever waits is told."""
        self._end(why, silent=False)
        if self._transport is not None:
            self._transport.abort()

    # === What asyncio calls ===

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._received += data
        if self._waiting is None or self._waiting.done():
            # Nobody asked: such a connection is of no use.
            return self.close("unasked bytes")
        try:
            reply = self._parse()
        except (ValueError, IndexError) as error:
            return self.close(f"no HTTP: {error}")
        if reply is not None:
            self._waiting.set_result(reply)
            if self._closes:
                self._transport.close()

    def connection_lost(self, exc):
        self._end("reset" if isinstance(exc, ConnectionError) else "closed", silent=not self._received)

    def _end(self, why, silent):
        if self._ended is None:
            self._ended = why
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Died(why, silent))

    def _parse(self):
        """The whole answer, or None as long as there is more to come."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self._received[:end].decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        length, chunked, closes, cookie = 0, False, False, ""
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "content-length":
                length = int(value)
            elif name == "transfer-encoding":
                chunked = value.lower() == "chunked"
            elif name == "connection":
                closes = value.lower() == "close"
            elif name == "set-cookie" and value.startswith("JSESSIONID="):
                cookie = value.partition("=")[2].partition(";")[0]
        rest = self._received[end + 4 :]
        body = _chunks(rest) if chunked else bytes(rest[:length]) if len(rest) >= length else None
        if body is None:
            return None
        self._closes = closes
        return Reply(status, cookie, body)


def _chunks(received):
    """The body of chunks, or None as long as the last one is missing."""
    body, at = b"", 0
    while True:
        end = received.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(received[at:end].partition(b";")[0], 16)
        if len(received) < end + 2 + size + 2:
            return None
        if size == 0:
            return body
        body += received[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
