"""Plans of the models within budgets, and PyTorch's peak beside ours.

    python3 tests/bench/plan_models.py [--snug build/bench/snug] [--torch PYTHON] [--only TEXT]

First table: model, image, batch, memory of the card; then what our planner needs: the arena, its gap
over the most that is alive, the time added by computing again and the bound on it, the recomputed
share of arithmetic and of traffic, the planner's seconds.

Second table: the same net, batch and step in PyTorch eager with autocast to 2 bytes, AdamW,
clipping and averages, under its own memory tracker with fake tensors (nothing is computed, so any
machine will do). Ours is arena and state together, as a share of PyTorch's peak: with everything
kept; then within 0.6 of it, or the least that was found, with the order alone changed, with residual
sums rebuilt by the kernels that read them (no kernel runs again), and with kernels run again; each
with the time that it adds. Needs an interpreter with torch; it is left out otherwise.
"""
import argparse
import json
import os
import subprocess
import sys

TARGET = 0.6  # of PyTorch's peak
CASES = [  # model, image, batch, card in GiB
    ("hrnet_w32", 1024, 8, 8),
    ("hrnet_w32", 1024, 16, 8),
    ("hrnet_w32", 1024, 24, 8),
    ("hrnet_w48", 1024, 4, 8),
    ("hrnet_w32", 2048, 2, 8),
    ("hrnet_w18", 1024, 16, 8),
    ("guide_8gb", 1024, 4, 8),
    ("unet", 1024, 4, 8),
    ("resnet50_deconv", 1024, 16, 8),
]
PEERS = [("hrnet_w18", 512, 1), ("hrnet_w18", 1024, 4), ("hrnet_w32", 1024, 1),
         ("hrnet_w32", 1024, 8), ("hrnet_w48", 1024, 4)]


def plan(snug, model, size, batch, options=()):
    command = [snug, "plan", f"models/{model}.snug", "--image_size", str(size), str(size),
               "--batch_size", str(batch), "--json", *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if not run.stdout.startswith("{"):
        sys.exit(f"{' '.join(command)}:\n{run.stderr}")
    return json.loads(run.stdout)


def print_plans(snug, only):
    print(f"{'model':<16}{'image':>6}{'batch':>6}{'GiB':>4} {'arena MiB':>10}{'gap %':>7}"
          f"{'added %':>9}{'bound %':>9}{'flops %':>9}{'bytes %':>9}{'s':>7}")
    for model, size, batch, card in CASES:
        if only not in f"{model} {size} {batch}":
            continue
        found = plan(snug, model, size, batch, ["--vram", f"{card}GiB", "--reserve", "1GiB"])
        kept_ms = found["step_ms"] - found["recompute_ms"]
        share = lambda part, whole: 100 * part / whole if whole else 0.0
        print(f"{model:<16}{size:>6}{batch:>6}{card:>4} {found['arena_bytes'] / 2 ** 20:>10.1f}"
              f"{share(found['arena_bytes'] - found['live_bound_bytes'], found['live_bound_bytes']):>7.2f}"
              f"{share(found['recompute_ms'], kept_ms):>9.2f}"
              f"{share(found['recompute_bound_ms'], kept_ms):>9.2f}"
              f"{share(found['recompute_flops'], found['flops']):>9.2f}"
              f"{share(found['recompute_traffic_bytes'], found['traffic_bytes']):>9.2f}"
              f"{found['planner_seconds'] or 0:>7.2f}"
              f"{'' if found['fits'] else '  does not fit'}", flush=True)


def added_percent(found):
    kept_ms = found["step_ms"] - found["recompute_ms"]
    return 100 * found["recompute_ms"] / kept_ms if kept_ms else 0.0


def torch_peak(width, size, batch):
    """Bytes at the peak of forward and backward, with the optimiser's state and the averages made; the
    update, whose arithmetic needs numbers that fake tensors have not, peaks lower."""
    import torch
    import torch.nn.functional as F
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from torch_step import HRNet

    with FakeTensorMode():
        net = HRNet(width, 29).train()
        ema = [p.detach().clone() for p in net.state_dict().values()]
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, weight_decay=1e-4, foreach=False)
        image = torch.rand(batch, 3, size, size)
        target = torch.rand(batch, 29, size // 4, size // 4)
        for parameter in net.parameters():  # as after the first update
            optimizer.state[parameter] = {"step": torch.zeros(()),
                                          "exp_avg": torch.zeros_like(parameter),
                                          "exp_avg_sq": torch.zeros_like(parameter)}
        tracker = MemTracker()
        tracker.track_external(net, optimizer, image, target, *ema)
        with tracker:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                heat = net(image)
            F.mse_loss(heat.float(), target).backward()
        return max(int(of["Total"]) for of in tracker.get_tracker_snapshot("peak").values())


def print_peers(snug, python, only):
    has_torch = subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0
    if not has_torch:
        print(f"\n{python} has no torch: PyTorch's peak is left out", file=sys.stderr)
        return
    levels = [("order", "none"), ("rebuilding", "rebuild"), ("again", "all")]
    print(f"\n{'model':<12}{'image':>6}{'batch':>6} {'PyTorch MiB':>12} {'kept':>6}"
          + "".join(f"{name:>11} {'added %':>8}" for name, _ in levels))
    for model, size, batch in PEERS:
        if only not in f"{model} {size} {batch}":
            continue
        run = subprocess.run([python, __file__, "--peer", model.split("_w")[1], str(size), str(batch)],
                             capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(run.stderr)
        theirs = int(run.stdout)
        kept = plan(snug, model, size, batch)["total_bytes"]
        line = f"{model:<12}{size:>6}{batch:>6} {theirs / 2 ** 20:>12.1f} {kept / theirs:>6.3f}"
        for _, recompute in levels:
            found = plan(snug, model, size, batch, ["--recompute", recompute, "--reserve", "0",
                                                    "--vram", str(int(TARGET * theirs))])
            line += f"{found['total_bytes'] / theirs:>11.3f} {added_percent(found):>8.2f}"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--snug", default="build/bench/snug")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--only", default="", help="rows that contain it")
    parser.add_argument("--peer", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(torch_peak(*arguments.peer))
        return
    print_plans(arguments.snug, arguments.only)
    print_peers(arguments.snug, arguments.torch, arguments.only)


if __name__ == "__main__":
    main()
