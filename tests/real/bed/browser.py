"""A browser: one connection, a jar of cookies."""

import concurrent.futures
import dataclasses
import http.client
import json

TIMEOUT = 30.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """A response, whole."""

    status: int
    headers: tuple
    body: bytes

    def all(self, name):
        """The values of a header field."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The first value; None if there is none."""
        return next(iter(self.all(name)), None)

    @property
    def text(self):
        """The body as text."""
        return self.body.decode()

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def new_id(self):
        """The session id that it sets; None if it sets none."""
        ids = [line.split("=", 1)[1].split(";")[0] for line in self.all("Set-Cookie") if line.startswith("JSESSIONID=")]
        return ids[-1] if ids else None


class Browser:
    """Speaks to one address (host:port). Paths of cookies are not looked at."""

    def __init__(self, address, host=None):
        self.address = address
        self.host = host or address
        self.cookies = {}
        self._connection = None

    @property
    def id(self):
        """The session id now; None if there is none."""
        return self.cookies.get("JSESSIONID")

    @id.setter
    def id(self, value):
        self.cookies["JSESSIONID"] = value

    def get(self, path, headers=None):
        """GET."""
        return self.ask("GET", path, headers)

    def post(self, path, body=b"", headers=None):
        """POST."""
        return self.ask("POST", path, headers, body)

    def ask(self, method, path, headers=None, body=None):
        """One request on the kept connection, once more on a new one if the kept one was closed."""
        kept = self._connection is not None
        try:
            answer = self._ask(method, path, headers, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            if not kept:
                raise
            answer = self._ask(method, path, headers, body)
        self._learn(answer)
        return answer

    def at_once(self, path, count, headers=None):
        """As many requests at once, each on a connection of its own, all with the cookies of now."""
        browsers = [Browser(self.address, self.host) for _ in range(count)]
        for browser in browsers:
            browser.cookies = dict(self.cookies)
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda browser: browser.get(path, headers), browsers))
        for browser, answer in zip(browsers, answers):
            browser.close()
            self._learn(answer)
        return answers

    def __del__(self):
        self.close()

    def close(self):
        """Closes the connection; the cookies stay."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method, path, headers, body):
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        sent = {"Host": self.host, **(headers or {})}
        if self.cookies and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self._connection.request(method, path, body, sent)
            response = self._connection.getresponse()
            answer = Answer(response.status, tuple(response.getheaders()), response.read())
        except Exception:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer

    def _learn(self, answer):
        for line in answer.all("Set-Cookie"):
            name, _, rest = line.partition("=")
            value = rest.split(";")[0]
            if "max-age=0" in line.lower() or "01-jan-1970" in line.lower().replace(" ", "-"):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
