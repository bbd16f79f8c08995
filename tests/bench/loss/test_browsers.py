"""Browsers before a server that answers as it is told: what is an answer, what a failure, what is sent again."""

import asyncio
import json
import random
import unittest

import browsers
import wire
from ways import Through

SAID = {"tomcat": "jvm1", "life": 1, "id": "A-n1.jvm1", "created": 7, "count": 1, "at": 1}


def page(cookie="", **said):
    """What the application answers."""
    body = json.dumps({**SAID, **said}).encode()
    set_cookie = f"Set-Cookie: JSESSIONID={cookie}; Path=/test; HttpOnly\r\n" if cookie else ""
    return f"HTTP/1.1 200 \r\n{set_cookie}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Answers the requests of all connections by a script, in order of arrival; None: closes without a word."""

    def __init__(self, *script):
        self._script = list(script)
        self.requests = []
        self.connections = 0
        self._serving = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader, writer):
        self.connections += 1
        self._serving.add(asyncio.current_task())
        try:
            while True:
                self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
                answer = self._script.pop(0)
                if answer is None:
                    break
                # In pieces, as networks deliver.
                writer.write(answer[:10])
                await asyncio.sleep(0)
                writer.write(answer[10:])
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def browse(script, steps):
    """Runs the steps with one browser; the browser and the server."""

    async def run():
        async with Server(*script) as server:
            browser = browsers.Browser(0, Through(server.address), random.Random(1))
            try:
                await steps(browser)
            finally:
                browser.close()
            return browser, server

    return asyncio.run(run())


async def log_in(browser):
    await browser.log_in()


async def log_in_and_ask(browser):
    await browser.log_in()
    await browser._ask(browser._lanes[0], 1)


class ABrowser(unittest.TestCase):
    def test_shows_the_cookie_it_was_given(self):
        browser, server = browse([page("A-n1.jvm1"), page(count=2)], log_in_and_ask)
        self.assertNotIn("Cookie", server.requests[0])
        self.assertIn("Cookie: JSESSIONID=A-n1.jvm1\r\n", server.requests[1])
        self.assertEqual([(one.status, one.count, one.cookie) for one in browser.answers],
                         [(200, 1, ""), (200, 2, "A-n1.jvm1")])
        self.assertEqual(server.connections, 1)

    def test_keeps_the_cookie_that_came_last(self):
        browser, _ = browse([page("A-n1.jvm1"), page("B-n1.jvm3")], log_in_and_ask)
        self.assertEqual(browser.cookie, "B-n1.jvm3")
        self.assertEqual([one.set_cookie for one in browser.answers], ["A-n1.jvm1", "B-n1.jvm3"])

    def test_sends_again_once_when_its_kept_connection_ends_without_a_word(self):
        browser, server = browse([page("A-n1.jvm1"), None, page(count=2)], log_in_and_ask)
        self.assertEqual([(one.status, one.resent) for one in browser.answers], [(200, 0), (200, 1)])
        self.assertEqual(server.connections, 2)

    def test_does_not_send_a_third_time(self):
        browser, server = browse([page("A-n1.jvm1"), None, None], log_in_and_ask)
        self.assertEqual([(one.status, one.failure) for one in browser.answers], [(200, ""), (None, "closed")])
        self.assertEqual(len(server.requests), 3)

    def test_does_not_send_again_on_a_new_connection(self):
        browser, server = browse([None], log_in)
        self.assertEqual([one.failure for one in browser.answers], ["closed"])
        self.assertEqual(len(server.requests), 1)

    def test_does_not_send_again_what_was_answered_in_part(self):
        browser, server = browse([page("A-n1.jvm1"), b"HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\nx", None], log_in_and_ask_in_part)
        self.assertEqual([one.status for one in browser.answers], [200, None])
        self.assertEqual(len(server.requests), 2)

    def test_takes_an_error_page_for_what_it_is(self):
        browser, _ = browse([b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno"], log_in)
        self.assertEqual([(one.status, one.good) for one in browser.answers], [(404, False)])

    def test_does_not_believe_a_strange_page(self):
        browser, _ = browse([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], log_in)
        self.assertEqual([(one.status, one.failure) for one in browser.answers], [(None, "a strange page")])

    def test_is_told_when_nobody_listens(self):
        async def ask_nobody():
            browser = browsers.Browser(0, Through("127.0.0.1:1"), random.Random(1))
            await browser.log_in()
            return browser.answers

        self.assertEqual([one.failure for one in asyncio.run(ask_nobody())], ["refused"])


async def log_in_and_ask_in_part(browser):
    await browser.log_in()
    asking = asyncio.create_task(browser._ask(browser._lanes[0], 1))
    connection = browser._lanes[0]._connections[browser._way._address]
    while connection._received.find(b"\r\n\r\nx") < 0:
        await asyncio.sleep(0.001)
    connection._transport.close()
    await asking


class Framing(unittest.TestCase):
    def test_chunks(self):
        whole = b"4\r\nWiki\r\n3;x=y\r\nped\r\n0\r\n\r\n"
        self.assertEqual(wire._chunks(whole), b"Wikiped")
        for end in range(len(whole)):
            self.assertIsNone(wire._chunks(whole[:end]), end)

    def test_a_server_that_closes_is_asked_on_a_new_connection(self):
        closing = page("A-n1.jvm1").replace(b"Content-Length", b"Connection: close\r\nContent-Length")
        browser, server = browse([closing, page(count=2)], log_in_and_ask)
        self.assertEqual([(one.status, one.resent) for one in browser.answers], [(200, 0), (200, 0)])
        self.assertEqual(server.connections, 2)


if __name__ == "__main__":
    unittest.main()
