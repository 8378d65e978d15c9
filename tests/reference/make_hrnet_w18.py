#!/usr/bin/env python3
"""Writes hrnet_w18_128.bin: one training step of the HRNet-W18 pose net as PyTorch computes it.

    python3 make_hrnet_w18.py [--compare] [OUTPUT]

128x128 pixels, batch 2, 29 landmarks, batch norm in training mode, mean squared error against
Gaussians of sigma 2, everything in double precision. --compare also prints how far PyTorch's own fp32
is from that. tests/model/reference_test.c reads the file; it needs no Python.

Weights and inputs are not stored: they come from a counter-based generator that C has too
(tests/model/hash.h); stream(name) is the FNV-1a hash of "SALT:name". Number i of a tensor is hash_uniform(stream(name), i), with i counted in snug's
layout: NHWC, weights {out, kernel, kernel, in}.

The file, little-endian:
    8 bytes "SNUGREF1", u32 salt, u32 number of records; each record:
    u32 length of the name, the name ("loss", "heat", "grad NAME", "state NAME"),
    u64 elements, f64 Euclidean norm, u32 stored numbers, f32 each.
Up to 1024 elements, and the heat maps, are stored in full, in snug's layout. A larger tensor x is
stored as 256 random signed sums (a count sketch): s[b(i)] += sign(i) x[i], where h =
hash_number(stream(name), 2^32 + i), b = h mod 256, sign = bit 8 of h. The sketch is linear, and the norm of
the sketch of a difference estimates the norm of the difference within about 10 percent.
"""
import struct
import sys

import numpy as np
import torch
from torch import nn

SIZE, BATCH, LANDMARKS, WIDTH, SIGMA, STRIDE = 128, 2, 29, 18, 2.0, 4.0
STORED_IN_FULL, SKETCH = 1024, 256
SALT = 6  # chosen so that rounding decides about no relu that matters (--compare)


# ---- the generator ------------------------------------------------------------------------------

def mix(z):
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def stream(name):
    h = 0xCBF29CE484222325
    for byte in f"{SALT}:{name}".encode():  # FNV-1a
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return np.array([h], dtype=np.uint64)


def numbers(name, count, first=0):
    return mix(mix(stream(name)) + np.arange(first, first + count, dtype=np.uint64))


def uniform(name, count):
    return (numbers(name, count) >> np.uint64(40)).astype(np.float64) * 2.0**-24


def as_f32(x):
    return x.astype(np.float32).astype(np.float64)


# ---- the network: hrnet-pose with the names of the official state dict ----------------------------

def unit(cin, cout, kernel=3, stride=1, relu=True):
    parts = [nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


class Basic(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Bottleneck(nn.Module):
    def __init__(self, cin):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, 64, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.downsample = unit(cin, 256, 1, relu=False) if cin != 256 else None

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (self.downsample(x) if self.downsample is not None else x))


class Fuse(nn.Module):
    """What branch `start` sends to branch `end`, each at its own resolution and width."""

    def __new__(cls, start, end):
        c = [WIDTH * 2**b for b in range(4)]
        if start > end:
            return nn.Sequential(*unit(c[start], c[end], 1, relu=False),
                                 nn.Upsample(scale_factor=2 ** (start - end), mode="nearest"))
        steps = [unit(c[start], c[start], 3, 2) for _ in range(end - start - 1)]
        return nn.Sequential(*steps, unit(c[start], c[end], 3, 2, relu=False))


class Exchange(nn.Module):
    def __init__(self, branches, rows):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Basic(WIDTH * 2**b) for _ in range(4))) for b in range(branches))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(Fuse(j, i) if i != j else None for j in range(branches))
            for i in range(rows))

    def forward(self, xs):
        ys = [branch(x) for branch, x in zip(self.branches, xs)]
        outs = []
        for i, row in enumerate(self.fuse_layers):
            total = 0
            for j, y in enumerate(ys):
                total = total + (y if i == j else row[j](y))
            outs.append(torch.relu(total))
        return outs


class PoseNet(nn.Module):
    def __init__(self):
        super().__init__()
        c = WIDTH
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(*(Bottleneck(64 if k == 0 else 256) for k in range(4)))
        self.transition1 = nn.ModuleList([unit(256, c), nn.Sequential(unit(256, 2 * c, 3, 2))])
        self.stage2 = nn.Sequential(Exchange(2, 2))
        self.transition2 = nn.ModuleList([None, None, nn.Sequential(unit(2 * c, 4 * c, 3, 2))])
        self.stage3 = nn.Sequential(*(Exchange(3, 3) for _ in range(4)))
        self.transition3 = nn.ModuleList([None, None, None, nn.Sequential(unit(4 * c, 8 * c, 3, 2))])
        self.stage4 = nn.Sequential(*(Exchange(4, 4 if k < 2 else 1) for k in range(3)))
        self.final_layer = nn.Conv2d(c, LANDMARKS, 1)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        xs = self.stage2([t(x) for t in self.transition1])
        xs = self.stage3([*xs, self.transition2[2](xs[-1])])
        xs = self.stage4([*xs, self.transition3[3](xs[-1])])
        return self.final_layer(xs[0])


# ---- numbers ------------------------------------------------------------------------------------

def param_values(name, shape):
    """In snug's layout: `shape` is {out, kernel, kernel, in} or {channels}.

    Shifts well above 0 and small scales keep what relu reads away from 0, where a rounding error
    decides whether a gradient passes: with scales near 1 and shifts near 0, PyTorch's fp32 is off by
    1e-2 in a thousand tensors, with these by less than 1e-4 in any (--compare)."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        return as_f32((2 * u - 1) * np.sqrt(3.0 / (shape[1] * shape[2] * shape[3]))).reshape(shape)
    if name.endswith(".running_var"):
        return as_f32(0.75 + 0.5 * u)
    if name.endswith(".weight"):
        return as_f32(0.25 + 0.25 * u)
    ends_residual = name.endswith("bn3.bias") or ("branches" in name and name.endswith("bn2.bias"))
    return as_f32(0.5 * u - 0.25 if ends_residual else 0.5 + 0.5 * u)


def fill(net):
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            s = tensor.shape
            if tensor.dim() == 4:
                values = param_values(name, (s[0], s[2], s[3], s[1])).transpose(0, 3, 1, 2)
            else:
                values = param_values(name, tuple(s))
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def picture():
    u = uniform("image", BATCH * SIZE * SIZE * 3)
    return np.floor(u * 256).reshape(BATCH, SIZE, SIZE, 3)


def landmark_points():
    """{batch, landmarks, 3}: x, y in pixels of the picture, weight 1, or 0 for every seventh."""
    points = as_f32(uniform("points", BATCH * LANDMARKS * 3) * (SIZE - 1)).reshape(BATCH, LANDMARKS, 3)
    points[:, :, 2] = np.arange(BATCH * LANDMARKS).reshape(BATCH, LANDMARKS) % 7 != 6
    return points


def step(dtype):
    """Returns {name: tensor in snug's layout}."""
    net = PoseNet().to(dtype).train()
    fill(net)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (torch.from_numpy(picture()).to(dtype) / 255 - mean.to(dtype)) / std.to(dtype)
    heat = net(x.permute(0, 3, 1, 2).contiguous())
    points = torch.from_numpy(landmark_points()).to(dtype)
    grid = torch.arange(SIZE // int(STRIDE), dtype=dtype)
    dx = grid[None, None, None, :] - points[:, :, 0, None, None] / STRIDE
    dy = grid[None, None, :, None] - points[:, :, 1, None, None] / STRIDE
    target = torch.exp(-(dx**2 + dy**2) / (2 * SIGMA**2))
    map_loss = ((heat - target) ** 2).mean(dim=(2, 3))
    loss = (points[:, :, 2] * map_loss).sum(dim=1).div(LANDMARKS).mean()
    loss.backward()

    out = {"loss": loss.detach().reshape(1), "heat": heat.detach().permute(0, 2, 3, 1)}
    for name, param in net.named_parameters():
        grad = param.grad
        out["grad " + name] = grad.permute(0, 2, 3, 1) if grad.dim() == 4 else grad
    for name, buffer in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            out["state " + name] = buffer
    return {name: t.double().contiguous().numpy().reshape(-1) for name, t in out.items()}


# ---- the file -----------------------------------------------------------------------------------

def sketch(name, x):
    h = numbers(name, x.size, first=2**32)
    sign = 1.0 - 2.0 * ((h >> np.uint64(8)) & np.uint64(1)).astype(np.float64)
    return np.bincount((h % np.uint64(SKETCH)).astype(np.int64), weights=sign * x, minlength=SKETCH)


def write(path, tensors):
    with open(path, "wb") as file:
        file.write(b"SNUGREF1" + struct.pack("<II", SALT, len(tensors)))
        for name, x in tensors.items():
            is_full = x.size <= STORED_IN_FULL or name == "heat"
            stored = x if is_full else sketch(name, x)
            file.write(struct.pack("<I", len(name)) + name.encode())
            file.write(struct.pack("<QdI", x.size, float(np.linalg.norm(x)), stored.size))
            file.write(stored.astype("<f4").tobytes())


def main():
    args = [a for a in sys.argv[1:] if a != "--compare"]
    tensors = step(torch.float64)
    write(args[0] if args else "hrnet_w18_128.bin", tensors)
    count = sum(p.numel() for p in PoseNet().parameters())
    print(f"{count} parameters, loss {tensors['loss'][0]:.9f}")
    if "--compare" in sys.argv:
        single = step(torch.float32)
        total = np.sqrt(sum(np.sum(x**2) for n, x in tensors.items() if n.startswith("grad ")))
        zeros = [n for n, x in tensors.items() if np.linalg.norm(x) < 1e-12 * total]
        errors = sorted((np.linalg.norm(single[n] - x) / np.linalg.norm(x), n)
                        for n, x in tensors.items() if n not in zeros)
        for error, name in errors[-5:] + errors[len(errors) // 2:len(errors) // 2 + 1]:
            print(f"fp32 is off by {error:.2e} of the norm in {name}")
        for name in zeros:
            print(f"zero but for rounding: {name}")


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
