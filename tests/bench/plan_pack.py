"""The packer: seconds of the whole program on MiniMalloc's problems and on rectangles cut at random.

    python3 tests/bench/plan_pack.py [--snug build/bench/snug] [--minimalloc PATH] [--repeats N]
                                     [--seeds N]

On MiniMalloc's problems both programs take turns, so that a noisy machine is noisy for both; each
gets the problem's capacity. On the others snug packs as low as it can, and the gap to the bound is
printed beside the time; MiniMalloc gets the bound as capacity and 10 seconds, once.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("--snug", default="build/bench/snug")
parser.add_argument("--minimalloc")
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--seeds", type=int, default=3)
arguments = parser.parse_args()
CUT = os.path.join(os.path.dirname(arguments.snug), "tests/pack/cut")

OTHERS_LIMIT = 10
SHAPES = ["large", "any", "bricks", "stacks"]
COUNTS = [100, 300, 1000, 2000]


def run_snug(path, capacity=None):
    """Seconds of the process, and what it printed."""
    command = [arguments.snug, "pack", path, "--json"]
    if capacity:
        command += ["--capacity", str(capacity)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return seconds, json.loads(done.stdout)


def run_minimalloc(path, capacity, limit=None):
    """Seconds of the process; None where it found nothing."""
    with tempfile.NamedTemporaryFile() as out:
        command = [arguments.minimalloc, f"--capacity={capacity}", f"--input={path}",
                   f"--output={out.name}"]
        if limit:
            command.append(f"--timeout={limit}s")
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True)
        seconds = time.perf_counter() - started
    return seconds if done.returncode == 0 else None


def measure(path, capacity, limit=None):
    ours, theirs, result = [], [], None
    for _ in range(arguments.repeats):
        seconds, result = run_snug(path, capacity if limit is None else None)
        ours.append(seconds)
        if arguments.minimalloc and not (limit and theirs):
            theirs.append(run_minimalloc(path, capacity, limit))
    return ours, theirs, result


def text_of(times):
    if not times:
        return f"{'':18}"
    if None in times:
        return f"{'not found':>18}"
    return f"{min(times):8.3f} ({statistics.median(times):7.3f})"


def print_row(name, buffers, ours, theirs, result, capacity):
    ratio = ""
    if theirs and None not in theirs:
        ratio = f"{statistics.median(ours) / statistics.median(theirs):.4f}"
    reached = "reached" if result["height"] <= capacity else "missed"
    gap = 100 * (result["height"] / result["bound"] - 1)
    print(f"{name:18} {buffers:5} {text_of(ours)} {text_of(theirs)} {ratio:>7}  {gap:5.2f} % {reached}",
          flush=True)


def print_total(name, rows):
    ours = sum(statistics.median(row[0]) for row in rows)
    line = f"{name:18} {'':5} {'':9}{ours:8.3f} "
    if rows and all(row[1] and None not in row[1] for row in rows):
        theirs = sum(statistics.median(row[1]) for row in rows)
        line += f" {'':9}{theirs:8.3f}  {ours / theirs:7.4f}"
    print(line)


def count_rows(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for line in file if line.strip()) - 1


def main():
    print(f"{'seconds':18} {'n':>5} {'snug min (median)':>18} {'MiniMalloc':>18} {'ratio':>7}  gap")
    rows = []
    for path in sorted(glob.glob("tests/pack/?.1048576.csv")):
        rows.append(measure(path, 1048576))
        print_row(os.path.basename(path)[0], count_rows(path), *rows[-1], 1048576)
    print_total("A to K", rows)
    print("\nwithout slack")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            for count in COUNTS:
                for seed in range(1, arguments.seeds + 1):
                    path = os.path.join(folder, f"{shape}-{count}-{seed}.csv")
                    with open(path, "w", encoding="utf-8") as file:
                        subprocess.run([CUT, shape, str(count),
                                        str(seed)], stdout=file, check=True)
                    rows.append(measure(path, 1 << 20, OTHERS_LIMIT))
                    print_row(f"{shape} seed {seed}", count, *rows[-1], 1 << 20)
    print_total("without slack", rows)


main()
