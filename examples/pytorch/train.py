"""Trains a network to read handwritten digits: python3 examples/pytorch/train.py"""

import pathlib

import torch
from torch import nn

DIGITS = pathlib.Path(__file__).resolve().parents[1] / "data" / "digits.csv"


def load_digits():
    """Images of 8x8 pixels, from 0 to 1, and their labels."""
    rows = DIGITS.read_text().split()[1:]
    table = torch.tensor([[int(number) for number in row.split(",")] for row in rows])
    return table[:, 1:] / 16, table[:, 0]


def make_network():
    layers = []
    for inputs in [64] + [32] * 9:
        layers += [nn.Linear(inputs, 32), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def train(network, images, labels, epochs=20):
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            loss_fn(network(images[batch]), labels[batch]).backward()
            optimizer.step()


def main():
    torch.manual_seed(0)
    images, labels = load_digits()
    network = make_network()
    train(network, images[:1500], labels[:1500])
    right = network(images[1500:]).argmax(1) == labels[1500:]
    print(f"{100 * right.float().mean():.0f} % of the unseen digits are right")


if __name__ == "__main__":
    main()
