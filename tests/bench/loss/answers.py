"""What the browsers of a run recorded: one answer per request, and what else is needed to judge them."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. Times are seconds since the event, and negative before it."""

    browser: int
    # Requests that were sent together have the browser's same group.
    group: int
    sent: float
    ended: float
    # The session id that was shown; empty: none.
    cookie: str
    # Of the answer; None: there was none, and `failure` says why.
    status: int | None
    failure: str = ""
    # The session id that the answer set; empty: none.
    set_cookie: str = ""
    # What the application said, if it answered: the Tomcat, which of its lives, the session's id, creation time and counter,
    # and when it counted, in microseconds of the machine's clock.
    tomcat: str = ""
    life: int = 0
    id: str = ""
    created: int = 0
    count: int = 0
    counted_at: int = 0
    # How often the browser sent it again because its kept-alive connection had died.
    resent: int = 0

    @property
    def good(self):
        """Whether the application answered."""
        return self.status == 200


@dataclasses.dataclass(frozen=True)
class Run:
    """One event under load."""

    event: str
    # The name of the Tomcat or memcached that it hits; empty: nobody.
    victim: str
    answers: tuple
    # The session id that each browser held when the event came, and in the end.
    at_event: dict
    at_end: dict
    # Losses count from here on: seconds since the event.
    since: float = 0.0

    def told(self):
        """Every answer as a dictionary, ids cut short."""
        for answer in sorted(self.answers, key=lambda one: one.ended):
            told = dataclasses.asdict(answer)
            for name in ("cookie", "set_cookie", "id"):
                told[name] = shown(told[name])
            yield told


def base_of(session_id):
    """The part of a session id that stays when the session moves."""
    return session_id.partition(".")[0].partition("-")[0]


def route_of(session_id):
    """The Tomcat that a session id names."""
    return session_id.partition(".")[2]


def node_of(session_id):
    """The memcached that a session id names."""
    return session_id.partition(".")[0].partition("-")[2]


def shown(session_id):
    """Enough to tell sessions apart, not enough to be one."""
    base = base_of(session_id)
    return base[:6] + session_id[len(base) :]
