"""Parameters and convolutions of U-Net and ResNet-50 with deconvolutions, counted by PyTorch.

    python tests/reference/counts.py

Written from the papers (Ronneberger et al., MICCAI 2015, with padded convs and batch norm; He et
al., CVPR 2016, as in torchvision; Xiao et al., ECCV 2018), to check models/unet.snug and
models/resnet50_deconv.snug. What it prints is in tests/unit/models_test.c.
"""
from torch import nn


def double(inputs, outputs):
    layers = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.ModuleList(layers)


def unet(landmarks, width=64, depth=4):
    widths = [width * 2**k for k in range(depth + 1)]
    down = [double(a, b) for a, b in zip([3] + widths, widths)]
    up = []
    for small, large in zip(widths, widths[1:]):
        up += [nn.ConvTranspose2d(large, small, 2, 2, bias=False), double(2 * small, small)]
    return nn.ModuleList(down + up + [nn.Conv2d(width, landmarks, 1)])


def bottleneck(inputs, channels):
    outputs = 4 * channels
    layers = []
    for a, b, k in ((inputs, channels, 1), (channels, channels, 3), (channels, outputs, 1)):
        layers += [nn.Conv2d(a, b, k, bias=False), nn.BatchNorm2d(b)]
    if inputs != outputs:
        layers += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.ModuleList(layers)


def resnet50_deconv(landmarks):
    layers = [nn.Conv2d(3, 64, 7, bias=False), nn.BatchNorm2d(64)]
    inputs = 64
    for channels, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for _ in range(blocks):
            layers.append(bottleneck(inputs, channels))
            inputs = 4 * channels
    for _ in range(3):
        layers += [nn.ConvTranspose2d(inputs, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256)]
        inputs = 256
    return nn.ModuleList(layers + [nn.Conv2d(256, landmarks, 1)])


def main():
    for make in (unet, resnet50_deconv):
        for landmarks in (29, 17):
            net = make(landmarks)
            kinds = [type(module) for module in net.modules()]
            tensors = sum(1 for _ in net.parameters())
            norms = kinds.count(nn.BatchNorm2d)
            print(f"{make.__name__} {landmarks}: {sum(p.numel() for p in net.parameters())} "
                  f"parameters, {tensors} tensors, {2 * norms} states, {kinds.count(nn.Conv2d)} "
                  f"convs, {kinds.count(nn.ConvTranspose2d)} deconvs")


main()
