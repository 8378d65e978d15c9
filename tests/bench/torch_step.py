"""One training step of the pose HRNet in PyTorch: the peer of tests/bench/train_step.sh.

The step is snug's: bf16 autocast, channels-last, mean squared error against Gaussian targets,
gradients of `accumulate` micro-batches, clipping, AdamW, an EMA of the weights. Prints one JSON
object: seconds of each micro-step, seconds of the update, peak resident bytes.

    python3 torch_step.py --width 32 --size 1024 --batch 1 --accumulate 8 --steps 3
"""
import argparse
import json
import resource
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="updates, after one to warm up")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = HRNet(args.width, 29).to(memory_format=torch.channels_last).train()
    ema = [p.detach().clone() for p in net.state_dict().values()]
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, weight_decay=1e-4)
    image = torch.rand(args.batch, 3, args.size, args.size).to(memory_format=torch.channels_last)
    target = torch.rand(args.batch, 29, args.size // 4, args.size // 4)
    micro_steps, updates = [], []
    for step in range(args.steps + 1):
        for _ in range(args.accumulate if step else 1):
            start = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                heat = net(image)
            loss = F.mse_loss(heat.float(), target) / args.accumulate
            loss.backward()
            micro_steps.append(time.perf_counter() - start)
        start = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for average, value in zip(ema, net.state_dict().values()):
                if value.is_floating_point():
                    average.lerp_(value, 1e-4)
        updates.append(time.perf_counter() - start)
    print(json.dumps({
        "version": torch.__version__,
        "parameters": sum(p.numel() for p in net.parameters()),
        "micro_step_seconds": micro_steps[1:],
        "update_seconds": updates[1:],
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
