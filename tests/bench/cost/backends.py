"""Many small backends on addresses of the loopback of their own, at one port, served by one process."""

import multiprocessing
import selectors
import socket

KEPT = b"HTTP/1.1 200 \r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nUP"
CLOSED = b"HTTP/1.1 200 \r\nContent-Length: 2\r\nConnection: close\r\n\r\nUP"
# An agent speaks unasked, and hangs up.
AGENT = b"up ready 100%\n"
# Nothing is asked, nothing is said: the connection is the question.
SILENT = b""


class Backends:
    """`count` backends that answer each request, or with AGENT each connection, alike."""

    def __init__(self, count, answer):
        # 127.1.0.1 and on: nobody else's addresses.
        self.addresses = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(count)]
        self._answer = answer
        self._asked = multiprocessing.Value("Q", 0)
        self._failures = multiprocessing.SimpleQueue()
        self._seen = []

    def __enter__(self):
        listeners, self.port = self._listen()
        self._process = multiprocessing.get_context("fork").Process(
            target=serve, args=(listeners, self._answer, self._asked, self._failures), daemon=True
        )
        self._process.start()
        for listener in listeners:
            listener.close()
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.join(10)

    def _listen(self):
        """All at one port, which is free at all addresses."""
        for _ in range(20):
            listeners = [socket.create_server((self.addresses[0], 0))]
            port = listeners[0].getsockname()[1]
            try:
                for address in self.addresses[1:]:
                    listeners.append(socket.create_server((address, port)))
                return listeners, port
            except OSError:
                for listener in listeners:
                    listener.close()
        raise OSError("no port is free at all addresses")

    def questions(self):
        """How many were answered."""
        return self._asked.value

    def failures(self):
        """What went wrong with them."""
        while not self._failures.empty():
            self._seen.append(self._failures.get())
        return self._seen


def serve(listeners, answer, asked, failures):
    """Answers until it is ended."""
    selector = selectors.DefaultSelector()
    for listener in listeners:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, True)
    try:
        while True:
            for key, _ in selector.select():
                if key.data:
                    accept(selector, key.fileobj, answer, asked)
                else:
                    read(selector, key.fileobj, answer, asked)
    except Exception as failure:
        failures.put(repr(failure))
        raise


def accept(selector, listener, answer, asked):
    """One connection more."""
    try:
        stream, _ = listener.accept()
    except BlockingIOError:
        return
    if answer in (AGENT, SILENT):
        asked.value += 1
    if answer is AGENT:
        stream.sendall(answer)
        stream.close()
        return
    stream.setblocking(False)
    selector.register(stream, selectors.EVENT_READ, False)


def read(selector, stream, answer, asked):
    """A whole head, or the end."""
    try:
        head = stream.recv(4096)
    except ConnectionResetError:
        head = b""
    if head:
        asked.value += 1
        stream.sendall(answer)
    if not head or answer is CLOSED:
        selector.unregister(stream)
        stream.close()
