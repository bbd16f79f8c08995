"""The backend: a page of a Tomcat's for who asks, a tunnel that echoes for who wants to switch: backend.py DESCRIPTOR"""

import asyncio
import resource
import socket
import sys

HEAD = (
    "HTTP/1.1 200 \r\nSet-Cookie: JSESSIONID=D20877A04A8A2A6D7B9E0DF1C65AD799.jvm1; Path=/; HttpOnly\r\n"
    "Content-Type: text/html;charset=UTF-8\r\nContent-Language: en\r\nContent-Length: 10000\r\n"
    "Date: Thu, 26 Nov 2026 08:00:00 GMT\r\n\r\n"
)
PAGE = HEAD.encode() + b"x" * 10_000
SWITCHED = (
    b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """One connection of Cattail's."""

    def __init__(self):
        self.head = b""
        self.is_tunnel = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.is_tunnel:
            self.transport.write(data)
            return
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            self.is_tunnel = b"\r\nupgrade: websocket\r\n" in self.head.lower()
            self.transport.write(SWITCHED if self.is_tunnel else PAGE)
            self.head = b""


async def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listening = socket.socket(fileno=int(sys.argv[1]))
    server = await asyncio.get_running_loop().create_server(Connection, sock=listening, backlog=4096)
    await server.serve_forever()


asyncio.run(main())
