"""docs/msm.md and the tests of facts name each other."""

import glob
import os
import re
import unittest

from bed.parts import REAL, ROOT


class Page(unittest.TestCase):
    def test_each_fact_on_the_page_has_its_test_and_each_test_its_fact(self):
        with open(os.path.join(ROOT, "docs", "msm.md"), encoding="utf-8") as file:
            page = file.read()
        named = {name for name in re.findall(r"`([a-z0-9_]+)`", page) if name.count("_") > 1}
        files = set(re.findall(r"`(facts_\w+\.py)`", page))
        facts, all_tests = set(), set()
        for path in glob.glob(os.path.join(REAL, "*.py")):
            with open(path, encoding="utf-8") as file:
                tests = set(re.findall(r"def test_(\w+)", file.read()))
            all_tests |= tests
            name = os.path.basename(path)
            if tests and name.startswith("facts_") and name != os.path.basename(__file__):
                self.assertIn(name, files)
                facts |= tests
        no_tests = {"store_node_changed"}
        self.assertEqual(named - all_tests - no_tests, set())
        self.assertEqual({name for name in facts if f"`{name}`" not in page}, set())
