"""Write grid.npz: convolutions and pools of torch on images made of the nodes, channels moved last."""

from __future__ import annotations

import torch
from record import write
from torch import nn


def images(t):
    """Return two images of 7 x 4 pixels and three channels. (2, 3, 7, 4)"""
    h = t["nodes"]
    return torch.stack([torch.stack([h, h - h * h, h * h]), torch.stack([h * h, h, 2 - h])])


def on_images(module, t):
    return module(images(t)).permute(0, 2, 3, 1)


def on_sequences(module, t):
    """Return what is made of two sequences of length 7 with 12 channels: the columns, channel by channel."""
    x = images(t).permute(0, 3, 1, 2).reshape(2, 12, 7)
    return module(x).permute(0, 2, 1)


CASES = {
    "conv2d": (nn.Conv2d(3, 5, 3, padding=1), on_images),
    "conv2d-uneven": (nn.Conv2d(3, 2, (3, 2), stride=(2, 1), padding=(2, 0)), on_images),
    "conv1d": (nn.Conv1d(12, 3, 3), on_sequences),
    "conv1d-strides": (nn.Conv1d(12, 3, 4, stride=2, padding=3), on_sequences),
    "max": (nn.MaxPool2d(2), on_images),
    "max-padded": (nn.MaxPool2d((3, 2), stride=(2, 1), padding=1), on_images),
    "mean": (nn.AvgPool2d(2), on_images),
    "mean-padded": (nn.AvgPool2d(3, stride=(2, 1), padding=1), on_images),
}

if __name__ == "__main__":
    write("grid", CASES)
