"""NAME.c as a reader has it: the text that `snug compile` writes, parsed and held against itself and
against --dump=plan.

    emitted.py SNUG [--faults] MODEL DEVICE [FLAG...]

    columns    no line is longer than 100
    order      buffers of a class stand in order of address, within the bytes that the map gives the class
    lives      every buffer of the arena has the life and the bytes that --dump=plan prints
    sharing    buffers that share bytes never live at once, but for the step of a takeover; they stand
               together, and their number is right
    launches   what each reads, updates, writes and needs as scratch are the args of its kernel, alive
    quiet      no empty shapes, no source line twice
    clean      no warning of the C compiler

--faults: also plants a fault of each kind into the text and wants it found.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

# The kernels of a card are strings longer than the 4095 bytes that every C compiler must take.
CLEAN = ("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wno-overlength-strings", "-Werror",
         "-fsyntax-only", "-I.")
ACCESS = {"SNUG_READ": "reads", "SNUG_WRITE": "writes", "SNUG_ACCUMULATE": "updates"}
BUFFER = re.compile(
    r"\[(?P<name>\w+)\]\s+= \{\.offset = +(?P<offset>\d+), \.bytes = +(?P<bytes>\d+),"
    r"(?: /\* \[ *(?P<first>\d+), +(?P<last>\d+)\) \*/)?\n"
    r"(?: +/\* takes over the bytes of (?P<takes>\w+) \*/\n)?"
    r"(?P<rest>[^}]*?(?:\{[^}]*\}[^}]*?)?\.name = \"(?P<label>[^\"]*)\"\},\n)")
BANNER = re.compile(r"    /\* ---- ([a-z ]+?)(?: of (\w+))?: [^*]* ---- \*/\n")
GROUP = re.compile(r"    /\* (\d+) \.\. (\d+), [^:]*: (\d+) buffers in turn \*/\n")
KERNEL = re.compile(r"^    \[(\w+)\] = \{ /\* \d+ launch(?:es)? \*/\n(.*?)^    \},\n", re.M | re.S)
LAUNCH = re.compile(r"^    \{ /\* (.*?) \*/\n(.*?)^    \},\n", re.M | re.S)


class Wrong(Exception):
    """What the text says and should not."""


def check(holds, what):
    if not holds:
        raise Wrong(what)


def table(text, head):
    """The inside of `static const HEAD = { ... };`, "" where there is none."""
    found = re.search(r"^static const " + head + r" = \{\n(.*?)^\};\n", text, re.M | re.S)
    return found.group(1) if found else ""


def parse_map(text):
    rows = re.findall(r"^ \*     ([a-z ]+?) +(\d+) \.\. +(\d+) +[\d.]+ [KMG]?i?B  ", text, re.M)
    at = 0
    for name, begin, end in rows:
        check(int(begin) == at, f"the map has a hole before {name}")
        at = int(end)
    total = int(re.search(r"\.total_bytes = (\d+)", text[text.index("SnugProgram program"):]).group(1))
    check(at == total, f"the map ends at {at}, the program at {total}")
    return {name: (int(begin), int(end)) for name, begin, end in rows}


def parse_buffers(text):
    """Buffers as they stand, each with its class, segment and group: what shares bytes, by count."""
    inside, at, buffers, place, group = table(text, r"SnugBuffer buffers\[\]"), 0, [], None, None
    while at < len(inside):
        if inside[at] == "\n":
            at, group = at + 1, None
        elif found := BANNER.match(inside, at):
            at, place, group = found.end(), found.groups(), None
        elif found := GROUP.match(inside, at):
            at, group = found.end(), {"said": tuple(map(int, found.groups())), "members": []}
        elif found := BUFFER.match(inside, at + 4):
            at, b = found.end(), found.groupdict()
            for key in ("offset", "bytes", "first", "last"):
                b[key] = int(b[key]) if b[key] is not None else None
            b.update(place=place, group=group, end=b["offset"] + b["bytes"])
            if group is not None:
                group["members"].append(b)
            buffers.append(b)
        else:
            raise Wrong("no buffer: " + inside[at:at + 200])
    return buffers


def check_order(buffers, regions):
    for before, b in zip([None] + buffers, buffers):
        name, (region, segment) = b["name"], b["place"]
        begin, end = regions[region]
        check(begin <= b["offset"] and b["end"] <= end, f"{name} is not in the bytes of {region}")
        check((segment is not None) == (region == "arena"), f"{name}: a segment that is not its own")
        check((b["first"] is not None) == (region == "arena"), f"{name} has no life, or should not")
        if before is not None and before["place"] == b["place"]:
            key = [(x["offset"], x["first"] or 0) for x in (before, b)]
            check(key[0] <= key[1], f"{name} stands behind a higher address")
    classes = [b["place"] for b in buffers]
    check(len(set(classes)) == 1 + sum(a != b for a, b in zip(classes, classes[1:])),
          "a class has two banners")
    spans = [regions[p[0]][0] for p in dict.fromkeys(classes)]
    check(spans == sorted(spans), "classes are not in order of address")


def may_share(a, b, by_name):
    """Lives apart, or b takes over what a leaves in b's first step."""
    if a["first"] > b["first"]:
        a, b = b, a
    return a["last"] <= b["first"] or (b["takes"] is not None and by_name[b["takes"]] is a
                                       and a["last"] == b["first"] + 1)


def check_sharing(buffers, by_name):
    arena = [b for b in buffers if b["first"] is not None]
    for k, b in enumerate(arena):
        shares = False
        for other in arena[k + 1:]:
            if other["place"] != b["place"] or other["offset"] >= b["end"]:
                break
            shares = True
            check(other["group"] is not None and other["group"] is b["group"],
                  f"{b['name']} and {other['name']} share bytes, and do not stand together")
            check(may_share(b, other, by_name),
                  f"{b['name']} and {other['name']} share bytes, and live at once")
        check(shares or b["group"] is None or len(b["group"]["members"]) > 1, f"{b['name']} is no group")
    for group in {id(b["group"]): b["group"] for b in arena if b["group"]}.values():
        members = group["members"]
        check(group["said"] == (min(b["offset"] for b in members), max(b["end"] for b in members),
                                len(members)), f"the group of {members[0]['name']} is not as it says")


def check_dump(buffers, regions, dump):
    """Names, lives, offsets and bytes are those of --dump=plan; the update has no plan."""
    said, segment = Counter(), None
    for line in dump.splitlines():
        if found := re.match(r"(\w+):$", line):
            segment = found.group(1)
        elif found := re.match(r" {8}(\S.*?) +\[ *(\d+), *(\d+)\)  @ +(\d+) +(\d+) bytes", line):
            label, *numbers = found.groups()
            said[(segment, label, *map(int, numbers))] += 1
    begin = regions["arena"][0]
    here = Counter((b["place"][1], b["label"], b["first"], b["last"], b["offset"] - begin, b["bytes"])
                   for b in buffers if b["first"] is not None and b["place"][1] != "update")
    check(sum(said.values()) > 0, "--dump=plan printed no buffers")
    check(here == said, f"--dump=plan has {list((said - here))[:3]}, the text {list((here - said))[:3]}")


def check_launch(segment, expected, title, body, kernels, by_name):
    """The names stand under what the kernel does with them, each alive; returns its step or None."""
    kernel = re.search(r"\.kernel = (\w+)", body).group(1)
    said, use = [], None
    for line in body[body.index("{\n") + 2:].splitlines():
        if found := re.match(r" +/\* (\w+) +\*/ ", line):
            use, line = found.group(1), line[found.end():]
        said += [(use, name) for name in re.findall(r"\w+", line)]
    where = f"{segment} {title}"
    check([use for use, _ in said] == kernels[kernel], f"{where}: {said} on {kernels[kernel]}")
    step = int(re.match(r"\d+", title).group()) if title[0].isdigit() else None
    check(step is None or step == expected, f"{where} is not step {expected}")
    for use, name in said:
        b = by_name[name]
        if b["first"] is None or step is None:
            continue
        check(b["place"][1] == segment, f"{where} uses {name} of another segment")
        check(b["first"] <= step < b["last"], f"{where} uses {name}, which is not alive")
        b.setdefault("steps", []).append((step, use))
    return step


def check_launches(text, by_name):
    kernels = {}
    for name, body in KERNEL.findall(table(text, r"SnugKernel kernels\[\]")):
        kernels[name] = [ACCESS[a] for a in re.findall(r"\.access = (\w+)", body)]
        kernels[name] += ["scratch"] * (".workspace_bytes" in body)
    count = 0
    for segment in ("micro_step", "update", "evaluate", "init"):
        step = 0
        for title, body in LAUNCH.findall(table(text, r"SnugLaunch " + segment + r"\[\]")):
            found = check_launch(segment, step, title, body, kernels, by_name)
            step += found is not None
            count += 1
    check(count > 0, "no launches")
    program = text[text.index("SnugProgram program"):]
    check(count == sum(map(int, re.findall(r"\.launch_count = (\d+)", program))), "launches are missing")
    check_uses(program, by_name)
    return count


def check_uses(program, by_name):
    """Lives are as long as the launches that the text shows need, and no longer."""
    results = re.findall(r"\.(?:output|peaks)_buffer = (\w+)", program)
    for b in by_name.values():
        if b["first"] is None:
            continue
        steps = b.get("steps", [])
        check(steps, f"{b['name']} is never used")
        check(steps[0][0] == b["first"] and steps[0][1] in ("writes", "scratch"),
              f"{b['name']} is not made in step {b['first']}")
        check(b["name"] in results or steps[-1][0] + 1 == b["last"],
              f"{b['name']} lives until {b['last']}, and is used last in {steps[-1][0]}")


def check_quiet(text, buffers):
    check("{0, 0, 0, 0}" not in text, "an empty shape")
    found = re.search(r"\.line is a line of (\S+) where no other", text)
    check(found is not None, "the head does not say whose lines")
    check(f"/* {found.group(1)} */" not in text, "the file that the head names stands beside a line")
    for b in buffers:
        check(b["rest"].count(".line") <= 1, f"{b['name']} has two lines")


def check_text(text, dump):
    """Raises Wrong; returns what was looked at, in words."""
    for number, line in enumerate(text.splitlines(), 1):
        check(len(line) <= 100, f"line {number} has {len(line)} columns")
    regions = parse_map(text)
    buffers = parse_buffers(text)
    by_name = {b["name"]: b for b in buffers}
    count = int(re.search(r"\.buffer_count = (\d+)", text).group(1))
    check(len(by_name) == len(buffers) == count, f"{len(buffers)} of {count} buffers")
    check_order(buffers, regions)
    check_sharing(buffers, by_name)
    check_dump(buffers, regions, dump)
    launches = check_launches(text, by_name)
    check_quiet(text, buffers)
    shared = sum(b["group"] is not None for b in buffers)
    return f"{count} buffers, {shared} share bytes; {launches} launches"


def swapped(text):
    """Two buffers of the first class change places."""
    a, b = list(BUFFER.finditer(text))[:2]
    return text[:a.start()] + b.group() + text[a.end():b.start()] + a.group() + text[b.end():]


FAULTS = {  # what is done to the text, and what the test says of it
    "stands behind a higher address": swapped,
    "--dump=plan has": lambda t: re.sub(
        r"(/\* \[ *\d+, +)(\d+)\)", lambda m: f"{m[1]}{int(m[2]) + 1})", t, count=1),
    "has no life": lambda t: re.sub(r" /\* \[ *\d+, +\d+\) \*/", "", t, count=1),
    "live at once": lambda t: re.sub(r" +/\* takes over .* \*/\n", "", t, count=1),
    "is not as it says": lambda t: re.sub(
        r"(\d+) buffers in turn", lambda m: f"{int(m[1]) + 1} buffers in turn", t, count=1),
    "do not stand together": lambda t: re.sub(
        r"(buffers in turn \*/\n(?: .*\n){2})", r"\1\n", t, count=1),
    "('writes', 'image')": lambda t: t.replace("/* reads   */ image", "/* writes  */ image", 1),
    "is never used": lambda t: re.sub(r"(/\* scratch \*/ )\w+", r"\1scalars", t, count=1),
    "which is not alive": lambda t: re.sub(r"(/\* scratch \*/ )\w+((?:.*\n)+?.*scratch \*/ )(\w+)",
                                           r"\1\3\2\3", t, count=1),
    "is not step 1": lambda t: t.replace("{ /* 1: ", "{ /* 2: ", 1),
    "columns": lambda t: t.replace("\n", " " * 101 + "\n", 1),
    "an empty shape": lambda t: t.replace(".type = SNUG_U8, .line",
                                          ".type = SNUG_U8, .shape = {0, 0, 0, 0}, .line", 1),
    "a hole before state": lambda t: re.sub(r"( \*     state +)\d", r"\g<1>9", t, count=1),
}


def plant_faults(text, dump):
    for says, plant in FAULTS.items():
        try:
            check_text(plant(text), dump)
        except Wrong as wrong:
            check(says in str(wrong), f"a fault is found as {wrong}, not as {says}")
            continue
        raise Wrong(f"the fault is not found: {says}")
    return f"{len(FAULTS)} planted faults found"


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    check(result.returncode == 0, result.stderr)
    return result.stdout


def main(snug, *args):
    faults = args[0] == "--faults"
    model, device, *flags = args[faults:]
    flags += ["--device", device, "--threads", "2"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(snug, "compile", model, *flags, "--generated", folder, "-o", folder + "/trainer")
            dump = run(snug, "plan", model, *flags, "--dump=plan")
            name = Path(model).stem
            path = Path(folder) / name / f"{name}.c"
            text = path.read_text(encoding="ascii")
            run(*CLEAN, path)
            print(f"{model}, {device}:", check_text(text, dump))
            if faults:
                print(plant_faults(text, dump))
        except Wrong as wrong:
            print(f"{model}, {device}: {wrong}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
