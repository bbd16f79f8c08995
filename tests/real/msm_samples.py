"""The samples: real values of MSM in text files, for tests and fuzzing in Rust.

Lines `name: value`; `bytes` is the value itself in hex, the rest is what a reader must find in it.
"""

import dataclasses
import os

from msm_value import read_validity, read_value

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
# The same in each run; the others are times and the id.
LASTING = ("mode", "serializer", "store", "kind", "version", "idle", "is_new", "is_valid", "auth", "principal_bytes",
           "form_request_bytes", "form_principal_bytes", "attributes_bytes")


def described(kind, key, data, **fields):
    """The lines of a sample as a dict."""
    found = {**fields, "kind": kind, "key": key}
    if kind == "session":
        for field in dataclasses.fields(value := read_value(data)):
            content = getattr(value, field.name)
            if isinstance(content, bytes):
                found[f"{field.name}_bytes"] = len(content)
            else:
                found[field.name] = str(content).lower() if isinstance(content, bool) else content
    elif kind == "validity":
        found["idle"], found["last_accessed"], found["this_accessed"] = read_validity(data)
    found["bytes"] = data.hex()
    return {name: str(content) for name, content in found.items()}


def names():
    """Of all samples that there are."""
    return sorted(name.removesuffix(".txt") for name in os.listdir(FOLDER) if name.endswith(".txt"))


def read(name):
    """The lines of a sample as a dict."""
    with open(os.path.join(FOLDER, f"{name}.txt"), encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(": ", 1) for line in file if not line.startswith("#"))


def write(name, lines):
    """Makes or renews a sample."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, f"{name}.txt"), "w", encoding="utf-8") as file:
        file.write("# As memcached-session-manager 2.3.2 stored it; made by facts_values.py.\n")
        file.writelines(f"{key}: {content}\n" for key, content in lines.items())
