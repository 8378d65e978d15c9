#!/usr/bin/env python3
"""The loss curve of HRNet-W18 in PyTorch beside that of a snug trainer: the same pictures, the same
weights to start from, the same optimiser.

    torch_curve.py make FOLDER [--size 128] [--count 4]
        writes FOLDER/data, a data set whose pictures have the size of the network's input (so that
        nothing is resampled), and FOLDER/init.safetensors

    torch_curve.py follow FOLDER LOG.jsonl [--device cuda] [--first 0.002] [--limit 0.01]
        trains with the learning rates of the trainer's log, prints both curves and the largest
        distance; exit status 1 where the first update's loss is off by more than `first`, or a later
        one by more than `limit` (relative). On a card PyTorch's own mixed precision runs beside it.

The trainer must run with --no_augment --gradient_accumulation_steps 1, a batch of `count` pictures
and --init FOLDER/init.safetensors: each update then sees all pictures, in whatever order.
"""
import argparse
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from make_hrnet_w18 import LANDMARKS, SIGMA, STRIDE, PoseNet  # noqa: E402

SYMBOLS = ("A ANS B Me N Or Pog PNS Pn R S Ar Co Gn Go Po LPM LIT LMT UPM UIA UIT UMT LIA Li Ls N` "
           "Pog` Sn").split()
CLIP, WEIGHT_DECAY, SEED = 1.0, 1e-4, 7


# ---- pictures and points -------------------------------------------------------------------------

def make_data(size, count):
    """uint8 {count, size, size, 3} with a spot at each landmark; {count, landmarks, 2} pixels."""
    random = np.random.default_rng(SEED)
    centre = random.uniform(0.15, 0.85, (1, LANDMARKS, 2)) * size
    points = np.round(np.clip(centre + random.normal(0, size / 40, (count, LANDMARKS, 2)), 1, size - 2), 1)
    at = np.arange(size)
    images = random.normal(90, 12, (count, size, size, 3))
    for n in range(count):
        for k, (x, y) in enumerate(points[n]):
            spot = np.exp(-((at[None, :] - x) ** 2 + (at[:, None] - y) ** 2) / (2 * (size / 40) ** 2))
            images[n] += 140 * spot[:, :, None] * (np.array([k % 3, k // 3 % 3, k // 9]) / 2)
    return np.clip(images, 0, 255).astype(np.uint8), points


def write_png(path, image):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_dataset(folder, size, count):
    images, points = make_data(size, count)
    rows = ["cephalogram_id,mode,machine,pixel_size"]
    for n in range(count):
        for split in ("train", "valid") if n == 0 else ("train",):
            name = f"{split}{n}"
            annotations = folder / split / "Annotations" / "Cephalometric Landmarks"
            pictures = folder / split / "Cephalograms"
            pictures.mkdir(parents=True, exist_ok=True)
            write_png(pictures / f"{name}.png", images[n])
            landmarks = [{"symbol": s, "value": {"x": float(x), "y": float(y)}}
                         for s, (x, y) in zip(SYMBOLS, points[n])]
            for reader in ("Senior Orthodontists", "Junior Orthodontists"):
                (annotations / reader).mkdir(parents=True, exist_ok=True)
                (annotations / reader / f"{name}.json").write_text(json.dumps(
                    {"ceph_id": name, "landmarks": landmarks}))
            rows.append(f"{name},{split},made,0.1")
    (folder / "cephalogram_machine_mappings.csv").write_text("\n".join(rows) + "\n")


# ---- weights -------------------------------------------------------------------------------------

def make_net():
    """PyTorch's own start, but for the last layer: heat maps begin near 0, as in the published nets."""
    torch.manual_seed(SEED)
    net = PoseNet()
    torch.nn.init.normal_(net.final_layer.weight, std=0.001)
    torch.nn.init.zeros_(net.final_layer.bias)
    return net


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        end = at + 4 * tensors[name].numel()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(
        tensors[name].float().contiguous().numpy().tobytes() for name in sorted(tensors)))


# ---- training ------------------------------------------------------------------------------------

def make_target(points, size, device):
    """{count, landmarks, size / 4, size / 4}"""
    grid = torch.arange(size // int(STRIDE), dtype=torch.float32, device=device)
    points = torch.from_numpy(points).float().to(device)
    dx = grid[None, None, None, :] - points[:, :, 0, None, None] / STRIDE
    dy = grid[None, None, :, None] - points[:, :, 1, None, None] / STRIDE
    return torch.exp(-(dx**2 + dy**2) / (2 * SIGMA**2))


def train(rates, size, count, device, mixed):
    """Losses of len(rates) updates, each before its update; rate None: there is none, as where the
    trainer's loss scale was too large."""
    images, points = make_data(size, count)
    net = make_net().to(device).train()
    decayed = [p for p in net.parameters() if p.dim() == 4]
    others = [p for p in net.parameters() if p.dim() != 4]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY},
                                   {"params": others, "weight_decay": 0.0}])
    scaler = torch.amp.GradScaler(device, init_scale=1024.0, enabled=mixed)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.from_numpy(images) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous().to(device)
    target = make_target(points, size, device)
    losses = []
    for rate in rates:
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = rate or 0.0
        with torch.autocast(device, dtype=torch.float16, enabled=mixed):
            heat = net(x)
        loss = ((heat.float() - target) ** 2).mean()
        losses.append(loss.item())
        if rate is None:
            continue
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        scaler.step(optimizer)
        scaler.update()
    return losses


# ---- the two uses --------------------------------------------------------------------------------

def make(args):
    folder = pathlib.Path(args.folder)
    write_dataset(folder / "data", args.size, args.count)
    state = make_net().state_dict()
    write_safetensors(folder / "init.safetensors",
                      {k: v for k, v in state.items() if v.is_floating_point()})
    (folder / "made.json").write_text(json.dumps({"size": args.size, "count": args.count}))


def distance(mine, theirs):
    return max(abs(a - b) / b for a, b in zip(mine, theirs))


def follow(args):
    made = json.loads((pathlib.Path(args.folder) / "made.json").read_text())
    lines = [json.loads(line) for line in open(args.log, encoding="utf-8")]
    ours = [line["loss"] for line in lines]
    rates = [line["lr"] if line["applied"] else None for line in lines]
    if args.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    curves = {"PyTorch fp32": train(rates, made["size"], made["count"], args.device, False)}
    if args.device == "cuda":
        curves["PyTorch AMP fp16"] = train(rates, made["size"], made["count"], args.device, True)
    print(f"{'update':>6} {'snug':>12} " + " ".join(f"{name:>18}" for name in curves))
    for u, loss in enumerate(ours):
        print(f"{u + 1:>6} {loss:>12.6g} " + " ".join(f"{c[u]:>18.6g}" for c in curves.values()))
    reference = curves["PyTorch fp32"]
    first, most = distance(ours[:1], reference), distance(ours, reference)
    for name, curve in curves.items():
        if curve is not reference:
            print(f"{name} is at most {100 * distance(curve, reference):.2f} % from PyTorch fp32")
    falls = ours[-1] < 0.9 * ours[0]
    print(f"{len(ours)} updates, loss {ours[0]:.5g} to {ours[-1]:.5g}{'' if falls else ', which is no fall'}: "
          f"the first {100 * first:.3f} %, at most {100 * most:.2f} % from PyTorch {torch.__version__} in fp32")
    return 0 if first <= args.first and most <= args.limit and falls else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make")
    command.add_argument("folder")
    command.add_argument("--size", type=int, default=128)
    command.add_argument("--count", type=int, default=4)
    command = commands.add_parser("follow")
    command.add_argument("folder")
    command.add_argument("log")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.add_argument("--first", type=float, default=0.002)
    command.add_argument("--limit", type=float, default=0.01)
    args = parser.parse_args()
    if args.command == "make":
        make(args)
        return 0
    return follow(args)


if __name__ == "__main__":
    sys.exit(main())
