"""The oracle: where it sends which request, with lanes that only write down."""

import asyncio
import collections
import unittest

from ways import Died, Oracle, Unanswered, survivor
from wire import Reply

ADDRESSES = {"jvm1": "one", "jvm2": "two", "jvm3": "three"}


class Lane:
    """Writes down who was asked with which id, and how many at a time; answers by a function."""

    def __init__(self, told, answer=lambda address, cookie: ""):
        self._told, self._answer = told, answer
        self.most = 0

    async def ask(self, address, cookie, _may_repeat):
        self._told.append((address, cookie))
        self.most = max(self.most, self._told.enter())
        await asyncio.sleep(0)
        self._told.leave()
        return Reply(200, self._answer(address, cookie), b""), 0

    def drop(self, address, why):
        self._told.append((address, why))


class Told(list):
    """What all lanes wrote down."""

    inside = 0

    def enter(self):
        self.inside += 1
        return self.inside

    def leave(self):
        self.inside -= 1


async def ask_together(oracle, cookie, count=5, answer=lambda address, cookie: ""):
    """Who was asked for what, and how many at a time."""
    told = Told()
    lanes = [Lane(told, answer) for _ in range(count)]
    await asyncio.gather(*(oracle.ask(lane, cookie) for lane in lanes))
    return told, max(lane.most for lane in lanes)


class TheOracle(unittest.IsolatedAsyncioTestCase):
    async def test_sends_a_session_to_its_tomcat_all_at_once(self):
        told, most = await ask_together(Oracle(ADDRESSES), "A-n1.jvm2")
        self.assertEqual(set(told), {("two", "A-n1.jvm2")})
        self.assertEqual(most, 5)

    async def test_sends_new_visitors_to_all_in_turn(self):
        told, _ = await ask_together(Oracle(ADDRESSES), "", count=6)
        self.assertEqual(collections.Counter(address for address, _ in told), {"one": 2, "two": 2, "three": 2})

    async def test_moves_a_session_by_one_request_and_sends_the_others_after_it_with_the_new_id(self):
        oracle = Oracle(ADDRESSES)
        oracle.down("jvm2")
        there = survivor("A", {"jvm1", "jvm3"})
        moved = f"A-n1.{there}"
        told, most = await ask_together(oracle, "A-n1.jvm2", answer=lambda _, cookie: moved if cookie != moved else "")
        self.assertEqual(told[0], (ADDRESSES[there], "A-n1.jvm2"))
        self.assertEqual(told[1:], [(ADDRESSES[there], moved)] * 4)
        self.assertEqual(most, 1)

    async def test_sends_a_session_of_a_dead_memcached_one_request_at_a_time_until_it_has_another(self):
        oracle = Oracle(ADDRESSES)
        oracle.down("n1")
        _, most = await ask_together(oracle, "A-n1.jvm2")
        self.assertEqual(most, 1)
        await ask_together(oracle, "A-n1.jvm2", answer=lambda *_: "A-n2.jvm2")
        told, most = await ask_together(oracle, "A-n1.jvm2")
        self.assertEqual((set(told), most), ({("two", "A-n2.jvm2")}, 5))

    async def test_a_tomcat_that_is_up_again_gets_its_sessions_back(self):
        oracle = Oracle(ADDRESSES)
        oracle.down("jvm2")
        oracle.up("jvm2")
        told, _ = await ask_together(oracle, "A-n1.jvm2")
        self.assertEqual(set(told), {("two", "A-n1.jvm2")})

    async def test_sends_what_died_elsewhere_only_if_it_knows_of_the_end(self):
        class Dying(Lane):
            async def ask(self, address, cookie, may_repeat):
                if address == "two":
                    if knows:
                        oracle.down("jvm2")
                    raise Died("reset", True)
                return await super().ask(address, cookie, may_repeat)

        for knows in (True, False):
            oracle, told = Oracle(ADDRESSES), Told()
            asking = oracle.ask(Dying(told), "A-n1.jvm2")
            if knows:
                _, resent = await asking
                self.assertEqual((len(told), resent), (1, 1))
            else:
                with self.assertRaises(Unanswered):
                    await asking

    async def test_survivors_have_equal_shares(self):
        shares = collections.Counter(survivor(f"{number:032X}", {"jvm1", "jvm3"}) for number in range(10_000))
        self.assertLess(abs(shares["jvm1"] - 5_000), 200)


if __name__ == "__main__":
    unittest.main()
