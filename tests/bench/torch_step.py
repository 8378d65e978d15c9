"""Training steps of the pose HRNet in PyTorch: the peer of tests/bench/step.c.

The step is snug's: autocast to two bytes (bf16 on the processor; fp16 with loss scaling on a card),
channels-last, mean squared error against Gaussian targets, gradients of `accumulate` micro-batches,
clipping, AdamW, an EMA of the weights. One update to warm up, then `steps` of them. Prints one JSON
object: seconds of each micro-step (on a card: of an update's micro-steps together, divided), of each
update, of the first micro-step, which compiles with --compile; peak bytes.

    python3 torch_step.py --width 32 --size 1024 --batch 1 --accumulate 8 --steps 3
    python3 torch_step.py --device cuda --compile --size 1024 --batch 4 --accumulate 4 --steps 5

Where the card's memory is too small the object says "out_of_memory": true, and the exit status is 0.
"""
import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def unit(cin, cout, kernel=3, stride=1, relu=True):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Basic(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + x, inplace=True)


class Bottleneck(nn.Module):
    def __init__(self, cin):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, 64, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.downsample = unit(cin, 256, 1, relu=False) if cin != 256 else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Module(nn.Module):
    def __init__(self, channels, rows):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*[Basic(c) for _ in range(4)]) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.bring(channels, j, i) for j in range(len(channels)))
            for i in range(rows))

    @staticmethod
    def bring(channels, j, i):
        if j == i:
            return nn.Identity()
        if j > i:
            return nn.Sequential(*unit(channels[j], channels[i], 1, relu=False),
                                 nn.Upsample(scale_factor=2 ** (j - i), mode="nearest"))
        downs = [unit(channels[j], channels[j], 3, 2) for _ in range(i - j - 1)]
        return nn.Sequential(*downs, unit(channels[j], channels[i], 3, 2, relu=False))

    def forward(self, xs):
        ys = [branch(x) for branch, x in zip(self.branches, xs)]
        out = []
        for row in self.fuse_layers:
            total = row[0](ys[0])
            for j in range(1, len(ys)):
                total = total + row[j](ys[j])
            out.append(F.relu(total))
        return out


class HRNet(nn.Module):
    def __init__(self, width, landmarks):
        super().__init__()
        c = [width * 2 ** i for i in range(4)]
        self.stem = nn.Sequential(unit(3, 64, 3, 2), unit(64, 64, 3, 2))
        self.layer1 = nn.Sequential(Bottleneck(64), *[Bottleneck(256) for _ in range(3)])
        self.transition1 = nn.ModuleList([unit(256, c[0]), unit(256, c[1], 3, 2)])
        self.stage2 = nn.ModuleList([Module(c[:2], 2)])
        self.transition2 = unit(c[1], c[2], 3, 2)
        self.stage3 = nn.ModuleList(Module(c[:3], 3) for _ in range(4))
        self.transition3 = unit(c[2], c[3], 3, 2)
        self.stage4 = nn.ModuleList(Module(c, rows) for rows in (4, 4, 1))
        self.final_layer = nn.Conv2d(width, landmarks, 1)

    def forward(self, x):
        x = self.layer1(self.stem(x))
        xs = [t(x) for t in self.transition1]
        for module in self.stage2:
            xs = module(xs)
        xs.append(self.transition2(xs[-1]))
        for module in self.stage3:
            xs = module(xs)
        xs.append(self.transition3(xs[-1]))
        for module in self.stage4:
            xs = module(xs)
        return self.final_layer(xs[0])


class Step:
    """One net with all that an update needs; fast paths of PyTorch where the device has them."""

    def __init__(self, args):
        self.is_card = args.device == "cuda"
        self.accumulate = args.accumulate
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True
        net = HRNet(args.width, 29).to(args.device, memory_format=torch.channels_last).train()
        self.net = net
        self.forward = torch.compile(net) if args.compile else net
        self.values = [v for v in net.state_dict().values() if v.is_floating_point()]
        self.ema = [v.detach().clone() for v in self.values]
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, weight_decay=1e-4,
                                           **({"fused": True} if self.is_card else {}))
        self.scaler = torch.amp.GradScaler(args.device, enabled=self.is_card)
        image = torch.rand(args.batch, 3, args.size, args.size, device=args.device)
        self.image = image.to(memory_format=torch.channels_last)
        self.target = torch.rand(args.batch, 29, args.size // 4, args.size // 4, device=args.device)
        self.dtype = torch.float16 if self.is_card else torch.bfloat16

    def micro_step(self):
        with torch.autocast(self.image.device.type, dtype=self.dtype):
            heat = self.forward(self.image)
        loss = F.mse_loss(heat.float(), self.target) / self.accumulate
        self.scaler.scale(loss).backward()

    def update(self):
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.values, 1e-4)

    def wait(self):
        if self.is_card:
            torch.cuda.synchronize()

    def timed(self, work, count=1):
        """Seconds of each call; on a card of all together, divided."""
        self.wait()
        times, start = [], time.perf_counter()
        for _ in range(count):
            work()
            if not self.is_card:
                times.append(time.perf_counter() - start)
                start = time.perf_counter()
        if not self.is_card:
            return times
        self.wait()
        return [(time.perf_counter() - start) / count]


def measure(args):
    step = Step(args)
    first = step.timed(step.micro_step)
    step.timed(step.update)
    micro_steps, updates = [], []
    for _ in range(args.steps):
        micro_steps += step.timed(step.micro_step, args.accumulate)
        updates += step.timed(step.update)
    found = {
        "version": torch.__version__,
        "device": args.device,
        "batch": args.batch,
        "accumulate": args.accumulate,
        "parameters": sum(p.numel() for p in step.net.parameters()),
        "first_micro_step_seconds": first[0],
        "micro_step_seconds": micro_steps,
        "update_seconds": updates,
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if step.is_card:
        free, whole = torch.cuda.mem_get_info()
        found |= {"peak_allocated_bytes": torch.cuda.max_memory_allocated(),
                  "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
                  "card_bytes_after": whole - free}
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="updates, after one to warm up")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile the net")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} finds no card")
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        found = measure(args)
    except getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError):
        found = {"version": torch.__version__, "device": args.device, "batch": args.batch,
                 "out_of_memory": True}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
