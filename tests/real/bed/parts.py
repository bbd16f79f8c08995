"""What the bed is built of: fetched once, kept below cargo's target directory."""

import dataclasses
import functools
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile

from .process import PartError

REAL = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(REAL))
POM = os.path.join(REAL, "pom.xml")
# Debian's, of the package tomcat10-common.
TOMCAT10 = "/usr/share/tomcat10"


@dataclasses.dataclass(frozen=True)
class Parts:
    """Where the parts lie."""

    # Tomcat 9.0's own distribution.
    tomcat9: str
    # memcached-session-manager and all it needs.
    msm: str


@functools.cache
def parts():
    """The parts, fetched if they are not there."""
    with open(POM, "rb") as file:
        key = hashlib.sha256(file.read()).hexdigest()[:16]
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
    home = os.path.join(target, "real-parts", key)
    if not os.path.isdir(home):
        _build(home)
    return Parts(os.path.join(home, "tomcat9"), os.path.join(home, "msm"))


def _build(home):
    os.makedirs(os.path.dirname(home), exist_ok=True)
    # Renamed when whole: what was broken off is never taken for the parts.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(home)) as unfinished:
        whole = os.path.join(unfinished, "whole")
        jars = os.path.join(whole, "msm")
        fetched = subprocess.run(
            ["mvn", "-B", "-q", "-f", POM, "dependency:copy-dependencies",
             f"-DoutputDirectory={jars}", "-DincludeScope=runtime"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True,
        )
        if fetched.returncode != 0:
            raise PartError(f"Maven could not fetch the parts:\n{fetched.stdout[-4000:]}")
        [archive] = [name for name in os.listdir(jars) if name.endswith(".tar.gz")]
        archive = os.path.join(jars, archive)
        with tarfile.open(archive) as packed:
            packed.extractall(whole, filter="data")
        os.remove(archive)
        [unpacked] = [name for name in os.listdir(whole) if name.startswith("apache-tomcat-")]
        os.rename(os.path.join(whole, unpacked), os.path.join(whole, "tomcat9"))
        try:
            os.rename(whole, home)
        except OSError:
            # Another run was faster.
            if not os.path.isdir(home):
                raise


def tomcat10():
    """Debian's Tomcat 10.1."""
    if not os.path.isdir(TOMCAT10):
        raise PartError(f"{TOMCAT10} is missing: install Debian's tomcat10-common")
    return TOMCAT10


def tool(name):
    """A program of this system."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise PartError(f"{name} is missing")
    return found
