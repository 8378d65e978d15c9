#!/usr/bin/env python3
"""No circle between folders: circles.py BUILD

An arrow from a folder to another is an #include or a call (a symbol that an object file of the one
uses and the other defines). Prints each circle with the file or symbol behind each arrow, and the
folders in an order in which all arrows point back.
"""
import os
import re
import subprocess
import sys

TOPS = ("grammar", "compiler", "runtime")


def sources():
    for top in TOPS:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if re.search(r"\.(c|h|l|y|def|inc)$", name):
                    yield os.path.join(folder, name)


def include_arrows():
    for path in sources():
        for line in open(path, encoding="utf-8"):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if found and "/" in found[1] and os.path.exists(found[1]):
                yield os.path.dirname(path), os.path.dirname(found[1]), f"{path} includes {found[1]}"


def call_arrows(build):
    owner, uses, count = {}, [], 0
    for library in ("snug_compiler", "snug_runtime", "snug"):
        root = os.path.join(build, "CMakeFiles", library + ".dir")
        for folder, _, names in os.walk(root):
            for name in names:
                if not name.endswith(".o"):
                    continue
                count += 1
                source = os.path.relpath(os.path.join(folder, name), root)[:-2]
                if not source.startswith(TOPS):
                    continue
                if not os.path.exists(source):
                    continue # of a file that is gone
                table = subprocess.run(["nm", "-P", os.path.join(folder, name)],
                                       stdout=subprocess.PIPE, text=True, check=True).stdout
                for row in table.splitlines():
                    symbol, kind = row.split()[:2]
                    if kind == "U":
                        uses.append((source, symbol))
                    elif kind.isupper():
                        owner[symbol] = source
    if count < 100:
        sys.exit(f"only {count} object files below {build}: build snug first")
    for source, symbol in uses:
        if symbol in owner:
            yield (os.path.dirname(source), os.path.dirname(owner[symbol]),
                   f"{source} uses {symbol} of {owner[symbol]}")


def components(arrows):
    """Strongly connected components (Tarjan), each after those that it points to."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in sorted(arrows.get(node, {})):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(stack[at:])
            del stack[at:]

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    arrows = {}
    for arrow in [*include_arrows(), *call_arrows(sys.argv[1])]:
        start, end, why = arrow
        if start != end:
            arrows.setdefault(start, {}).setdefault(end, set()).add(why)
    found = components(arrows)
    circles = [part for part in found if len(part) > 1]
    for circle in circles:
        print("circle:", ", ".join(sorted(circle)))
        for start in sorted(circle):
            for end in sorted(set(circle) & set(arrows[start])):
                print(f"  {start} -> {end}")
                for why in sorted(arrows[start][end])[:40 if "-v" in sys.argv else 4]:
                    print(f"      {why}")
    print("order:", ", ".join(part[0] for part in found if len(part) == 1))
    print(f"{len(arrows)} folders, {sum(map(len, arrows.values()))} arrows, {len(circles)} circles")
    sys.exit(1 if circles else 0)


main()
