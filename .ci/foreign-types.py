#!/usr/bin/env python3
"""Checks which items of other crates occur in the public interface.

usage: .ci/foreign-types.py LIST JSON

JSON is the output of `rustdoc --output-format json`. Each item of another crate that occurs in it, in a signature, a field, a bound,
a trait that is implemented, or a re-export, must be in LIST: a breaking release of that crate is a breaking release of this one. LIST
has one item per line, as a path; items that no longer occur must be removed.
"""

import json
import sys

STANDARD = {"core", "alloc", "std"}


def references(node):
    """The ids of everything that part of an item names."""
    if isinstance(node, list):
        for part in node:
            yield from references(part)
    elif isinstance(node, dict):
        # A path to a type or a trait, or a re-export.
        if isinstance(node.get("id"), int) and ("path" in node or "source" in node):
            yield node["id"]
        for part in node.values():
            yield from references(part)


def is_written(item):
    """Whether the item is in the source, and not an implementation that the compiler or another crate adds."""
    implementation = item["inner"].get("impl")
    return not implementation or not (implementation["is_synthetic"] or implementation["blanket_impl"])


def main():
    listed, documentation = sys.argv[1:]
    with open(documentation) as file:
        crate = json.load(file)
    crates = {int(number): other["name"] for number, other in crate["external_crates"].items()}
    named = {}
    for item in crate["index"].values():
        if item["crate_id"] != 0 or not is_written(item):
            continue
        for number in references(item["inner"]):
            path = crate["paths"].get(str(number))
            if path and path["crate_id"] != 0 and crates[path["crate_id"]] not in STANDARD:
                # The path contains the name of the crate that defines the item, which may be private to the crate that is used.
                named.setdefault("::".join(path["path"]), item["name"] or "an implementation")
    with open(listed) as file:
        allowed = {line.strip() for line in file if line.strip() and not line.startswith("#")}
    faults = [f"{path} is named by {item}" for path, item in sorted(named.items()) if path not in allowed]
    faults += [f"{path} is listed but does not occur" for path in sorted(allowed - named.keys())]
    print(f"{len(named)} items of other crates in the public interface", *faults, sep="\n")
    return 1 if faults or not named else 0


sys.exit(main())
