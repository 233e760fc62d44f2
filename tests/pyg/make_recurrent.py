"""Write recurrent.npz: cells and sequences as torch computes them, gated graphs and jumping knowledge as in PyG."""

from __future__ import annotations

import torch
from record import write
from torch import nn
from torch_geometric.nn import GatedGraphConv, JumpingKnowledge


def with_one_bias(module):
    """Two biases of a gate are only ever added: keep the gradient of the first. A GRU needs the second for "new"."""
    for name, value in module.named_parameters():
        if "bias_hh" in name:
            kept = torch.zeros_like(value)
            if isinstance(module, (nn.GRUCell, nn.GRU)):
                kept[-len(value) // 3 :] = 1
            value.register_hook(lambda g, kept=kept: g * kept)
    return module


def step(module, t):
    x, h = t["nodes"][:, :2], t["nodes"][:, 1:]
    return module(x, h)


def lstm_step(module, t):
    x, h, c = t["nodes"][:, :2], t["nodes"][:, 1:], t["nodes"][:, :3]
    return torch.cat(module(x, (h, c)), 1)


def sequence(module, t):
    return module(t["nodes"][:, :, None])[0]


def gated(module, t):
    return module(t["nodes"], t["edge_index"], t["weights"])


def with_one_bias_inside(module):
    with_one_bias(module.rnn)
    return module


class Stack(nn.Module):
    """Two maps with tanh, and what they found together."""

    def __init__(self, mode):
        super().__init__()
        self.maps = nn.ModuleList([nn.Linear(width, 3) for width in (4, 3)])
        self.jump = JumpingKnowledge(mode, channels=3, num_layers=2)
        if mode == "lstm":
            with_one_bias(self.jump.lstm)


def jump(module, t):
    h, found = t["nodes"], []
    for one in module.maps:
        h = one(h).tanh()
        found.append(h)
    return module.jump(found)


CASES = {
    "rnn-cell": (with_one_bias(nn.RNNCell(2, 3)), step),
    "gru-cell": (with_one_bias(nn.GRUCell(2, 3)), step),
    "lstm-cell": (with_one_bias(nn.LSTMCell(2, 3)), lstm_step),
    "rnn": (with_one_bias(nn.RNN(1, 3, batch_first=True)), sequence),
    "gru": (with_one_bias(nn.GRU(1, 3, batch_first=True)), sequence),
    "lstm": (with_one_bias(nn.LSTM(1, 3, batch_first=True)), sequence),
    "gated": (with_one_bias_inside(GatedGraphConv(5, 2)), gated),
    "gated-no-padding": (with_one_bias_inside(GatedGraphConv(4, 1)), gated),
    "jump-concat": (Stack("cat"), jump),
    "jump-max": (Stack("max"), jump),
    "jump-lstm": (Stack("lstm"), jump),
}

if __name__ == "__main__":
    write("recurrent", CASES)
