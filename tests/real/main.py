"""Finds the tests in this folder, runs them one after the other, and says how each went."""

import glob
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
NO_TESTS = {"main.py", "crowd.py", "facts_world.py", "msm_samples.py", "msm_value.py"}


class Lines(unittest.TextTestResult):
    """One line per test, with its time."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self._began = time.monotonic()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self._say(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._say(test, "FAILED")

    def addError(self, test, err):
        super().addError(test, err)
        self._say(test, "FAILED")

    def addSkip(self, test, reason):
        # Nothing is skipped in silence, nor at all.
        self.addFailure(test, (AssertionError, AssertionError(f"skipped: {reason}"), None))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._say(subtest, "FAILED")

    def _say(self, test, word):
        seconds = time.monotonic() - getattr(self, "_began", time.monotonic())
        print(f"{word:6} {seconds:5.1f} s  {test.id() if hasattr(test, 'id') else test}", flush=True)


def chosen(suite, words):
    """The tests of a suite whose ids hold one of the words; all if there are no words."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, words)
        elif not words or any(word in test.id() for word in words):
            yield test


def main():
    sys.path.insert(0, HERE)
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(HERE, "*.py")))
    modules = [name.removesuffix(".py") for name in names if name not in NO_TESTS]
    loader = unittest.TestLoader()
    everything = unittest.TestSuite(loader.loadTestsFromNames(modules))
    tests = list(chosen(everything, sys.argv[1:]))
    if not tests:
        print("no test has such a name")
        return 2
    result = unittest.TextTestRunner(
        stream=sys.stdout, verbosity=0, resultclass=Lines, buffer=False
    ).run(unittest.TestSuite(tests))
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
