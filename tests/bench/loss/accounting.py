"""What a run lost: pure functions over recorded answers. The words are those of docs/session-loss.md."""

import collections
import dataclasses

from answers import base_of, node_of, route_of


# Where every Tomcat is emptied in turn, a session may be moved by each.
MOVES_MORE_THAN_ONCE = ("roll",)


@dataclasses.dataclass(frozen=True)
class Figures:
    """A run's outcome. Sessions are counted once each, however often something happened to them."""

    exposed: int
    lost: int
    lost_for_good: int
    # Of the lost ones, those that the event did not touch.
    lost_bystanders: int
    forked: int
    split: int
    stale_reads: int
    # Counts that two answers gave: what one of them did is gone.
    lost_updates: int
    failed: int
    longest_pause: float
    # Browsers that waited longer than a second.
    waited: int
    # To which Tomcats the exposed sessions went.
    spread: dict
    requests: int
    resent: int
    # What failed, and how often: the status, or what the browser met in place of an answer.
    failures: dict


def account(run):
    """All figures of a run."""
    counted = [answer for answer in run.answers if answer.ended >= run.since]
    exposed = exposed_browsers(run)
    lost = lost_browsers(run)
    failures = collections.Counter(str(a.status) if a.status else a.failure for a in counted if not a.good)
    waits = collections.defaultdict(float)
    for answer in counted:
        waits[answer.browser] = max(waits[answer.browser], answer.ended - answer.sent)
    return Figures(
        exposed=len(exposed),
        lost=len(lost),
        lost_for_good=len(lost_for_good(run, lost)),
        lost_bystanders=len(lost - exposed),
        forked=len(forked_browsers(run)),
        split=len(split_browsers(counted)),
        stale_reads=sum(1 for answer in stale_answers(run.answers) if answer.ended >= run.since),
        lost_updates=lost_updates(run),
        failed=sum(failures.values()),
        longest_pause=max(waits.values(), default=0.0),
        waited=sum(1 for wait in waits.values() if wait > 1.0),
        spread=spread(run, counted, exposed),
        requests=len(counted),
        resent=sum(answer.resent for answer in counted),
        failures=dict(sorted(failures.items())),
    )


def before(run):
    """The same for what came before the event, when all parts were healthy: a good bed and proxy lose nothing there."""
    calm = tuple(answer for answer in run.answers if answer.ended < 0)
    return account(dataclasses.replace(run, answers=calm, since=float("-inf"), at_end=run.at_event))


def exposed_browsers(run):
    """Whose session names the victim as its Tomcat, or as its memcached, when the event comes."""
    return {
        browser
        for browser, held in run.at_event.items()
        if run.victim and run.victim in (route_of(held), node_of(held))
    }


def lost_browsers(run):
    """Who asked for one session and got another, by the answer or by its cookie."""
    born = {}
    for answer in run.answers:
        if answer.good:
            born.setdefault(base_of(answer.id), answer.created)
    return {
        answer.browser
        for answer in run.answers
        if answer.ended >= run.since and answer.cookie and _is_another(answer, born)
    }


def _is_another(answer, born):
    asked = base_of(answer.cookie)
    if answer.set_cookie and base_of(answer.set_cookie) != asked:
        return True
    return answer.good and (base_of(answer.id) != asked or answer.created != born[asked])


def lost_for_good(run, lost):
    """Those of the lost whose browser does not hold the session in the end that it held before."""
    held = _held_at(run, run.since)
    return {browser for browser in lost if base_of(run.at_end[browser]) != base_of(held[browser])}


def _held_at(run, moment):
    """The session id that each browser showed last before a moment."""
    held = dict(run.at_event)
    latest = {}
    for answer in run.answers:
        if answer.cookie and answer.sent < moment and answer.sent > latest.get(answer.browser, 0.0):
            latest[answer.browser] = answer.sent
            held[answer.browser] = answer.cookie
    return held


def forked_browsers(run):
    """Whose session lived on in two Tomcats.

    Either two others than its former Tomcat served it, or that one served it again after another had. A Tomcat that was
    started anew is another: it holds nothing in memory.
    """
    held = _held_at(run, run.since)
    served = collections.defaultdict(list)
    for answer in run.answers:
        if answer.good and base_of(answer.id) == base_of(held[answer.browser]):
            served[answer.browser].append(answer)
    moves_once = run.event not in MOVES_MORE_THAN_ONCE
    return {browser for browser, answers in served.items() if _is_forked(answers, run.since, moves_once)}


def _is_forked(answers, since, moves_once):
    lives = [answer.life for answer in sorted(answers, key=lambda one: one.counted_at)]
    changes = [life for before, life in zip([None, *lives], lives) if life != before]
    if len(changes) > len(set(changes)):
        return True
    return moves_once and _has_two_others(answers, since)


def _has_two_others(answers, since):
    former, others = None, set()
    for answer in sorted(answers, key=lambda one: one.counted_at):
        if answer.ended < since:
            former = answer.life
        elif former is None:
            former = answer.life
        elif answer.life != former:
            others.add(answer.life)
    return len(others) > 1


def split_browsers(answers):
    """Who sent a group of requests together and was answered by two Tomcats that its session id did not name."""
    strangers = collections.defaultdict(set)
    for answer in answers:
        if answer.good and answer.cookie and answer.tomcat != route_of(answer.cookie):
            strangers[answer.browser, answer.group].add(answer.tomcat)
    return {browser for (browser, _), tomcats in strangers.items() if len(tomcats) > 1}


def stale_answers(answers):
    """Answers whose counter is not above what the browser knew of this session before it asked: an update is gone.

    A group is sent when the one before it has ended, so what a browser knew is what its earlier groups were answered.
    """
    stale = []
    groups = collections.defaultdict(list)
    for answer in answers:
        if answer.good:
            groups[answer.browser, answer.group].append(answer)
    known = {}
    for (browser, _), group in sorted(groups.items()):
        highest = {}
        for answer in group:
            session = browser, base_of(answer.id), answer.created
            if answer.count <= known.get(session, 0):
                stale.append(answer)
            highest[session] = max(answer.count, highest.get(session, 0))
        for session, count in highest.items():
            known[session] = max(count, known.get(session, 0))
    return stale


def lost_updates(run):
    """Answers whose count another answer for the same session gave already: each answer counts by one, if none is lost."""
    given, lost = set(), 0
    for answer in sorted(run.answers, key=lambda one: one.ended):
        count = base_of(answer.id), answer.created, answer.count
        if answer.good and count in given and answer.ended >= run.since:
            lost += 1
        if answer.good:
            given.add(count)
    return lost


def spread(run, answers, exposed):
    """How many of the exposed sessions each other Tomcat served in the end."""
    held = _held_at(run, run.since)
    last = {}
    for answer in sorted(answers, key=lambda one: one.counted_at):
        ours = answer.good and answer.browser in exposed and answer.tomcat != run.victim
        if ours and base_of(answer.id) == base_of(held[answer.browser]):
            last[answer.browser] = answer.tomcat
    return dict(sorted(collections.Counter(last.values()).items()))
