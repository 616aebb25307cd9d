#!/usr/bin/env python3
"""Checks that the documentation of every item that requires a feature says so.

usage: .ci/labels.py WITHOUT WITH

WITHOUT and WITH are the folders that rustdoc wrote for the crate without any feature and with all features. What exists only in
the second is added by features: whole pages, and methods, variants, fields and implementations on the other pages.
"""

import re
import sys
from pathlib import Path

LABEL = re.compile(r'<div class="stab portability">(.*?)</div>')
IMPL = re.compile(r'<section id="(impl-[^"]+)" class="impl">(?:<a class="src rightside" href="([^"]+)")?')
ITEM = re.compile(r'id="((?:method|tymethod|variant|structfield|associatedtype|associatedconstant)\.[^"]+)"')
PART = re.compile("|".join(part.pattern for part in (LABEL, IMPL, ITEM)))


def pages(folder):
    """The main part of each page, by its path. Redirections have none."""
    for path in sorted(folder.rglob("*.html")):
        _, heading, page = path.read_text().partition('class="main-heading"')
        if heading:
            yield path.relative_to(folder), page


def unnumbered(name):
    """Without the number that rustdoc adds to a repeated name: it depends on the items before."""
    return re.sub(r"-\d+$", "", name)


def items(page, is_own):
    """The crate's own items on a page, and whether each, or the implementation that it is part of, has a label."""
    found = {}
    # Variants and fields come first and belong to no implementation.
    impl = current = ""
    for label, impl_id, source, item_id in PART.findall(page):
        if impl_id:
            # Implementations of other crates are on every page.
            impl = unnumbered(impl_id) if is_own(source) else None
            current = ""
        elif item_id:
            current = unnumbered(item_id)
        if impl is not None and (impl or current):
            labelled = "crate feature" in label or found.get((impl, ""), False)
            found[impl, current] = found.get((impl, current), False) or labelled
    # For an implementation without a trait, rustdoc labels the methods, not the whole.
    for impl, _ in [key for key in found if key[0] and not key[1]]:
        members = [labelled for (owner, item), labelled in found.items() if owner == impl and item]
        found[impl, ""] = found[impl, ""] or (bool(members) and all(members))
    return found


def main():
    without, everything = map(Path, sys.argv[1:])
    marker = f"/src/{everything.name}/"
    present = dict(pages(without))
    checked, missing = 0, []
    for path, page in pages(everything):
        heading = page.split("<h2", 1)[0]
        if marker not in heading:
            continue
        if path not in present:
            checked += 1
            if not LABEL.search(heading):
                missing.append(str(path))
            continue
        is_own = lambda source: marker in source
        before = items(present[path], is_own)
        for item, labelled in items(page, is_own).items():
            if item not in before:
                checked += 1
                if not labelled:
                    missing.append(f"{path}: {' '.join(filter(None, item))}")
    print(f"{checked} items require a feature, {len(missing)} of them do not say so", *missing, sep="\n")
    return 1 if missing or not checked else 0


sys.exit(main())
