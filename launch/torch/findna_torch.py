"""A model exported by `findna export`, in plain PyTorch: ChordMixer over packed one-hot rows (arXiv 2405.08538, section 3).

    model = FinDNA.load("exported")             # a folder with model.safetensors and config.json
    x = model.embed(["ACGTTGCA", "GATTACA"])    # [2, channels]: mean of the nucleotides' latents, as `findna embed` writes them
    latents, logits = model(one_hot("ACGT")[None])

Needs only torch. As a script: findna_torch.py FOLDER [embed|predict] < sequences (one per line) prints a row of tab-separated values for each.
"""
import json
import math
import os
import sys

import torch
from torch import nn

ALPHABET = "ACGTN"  # order of rows and columns; every other letter is N


def one_hot(sequence, cls=0):
    """[length + cls, 5]: a row per nucleotide, then zero rows for the [CLS] tokens. '.' is a masked nucleotide: a zero row."""
    x = torch.zeros(len(sequence) + cls, len(ALPHABET))
    for i, letter in enumerate(sequence.upper().replace("U", "T")):
        if letter != ".":
            x[i, ALPHABET.find(letter) if letter in ALPHABET else 4] = 1
    return x


def read_safetensors(path):
    """The tensors of a float32 file: 8 bytes with the length of the header, a JSON header, then the values."""
    with open(path, "rb") as file:
        raw = file.read()
    size = int.from_bytes(raw[:8], "little")
    header, data = json.loads(raw[8 : 8 + size]), bytearray(raw[8 + size :])
    return {name: torch.frombuffer(data, dtype=torch.float32, offset=entry["data_offsets"][0],
                                   count=math.prod(entry["shape"])).reshape(entry["shape"]).clone()
            for name, entry in header.items() if name != "__metadata__"}


class Block(nn.Module):
    """x + ROT(W2 GELU(W1 x + b1) + b2): track i > 0 of the channels is rotated: it takes the values 2^(i-1) tokens later, circularly."""

    def __init__(self, channels, hidden, track):
        super().__init__()
        self.fc1, self.fc2, self.track = nn.Linear(channels, hidden), nn.Linear(hidden, channels), track

    def forward(self, x):
        tracks = self.fc2(nn.functional.gelu(self.fc1(x))).split(self.track, dim=-1)
        return x + torch.cat([t if i == 0 else t.roll(-((1 << (i - 1)) % x.shape[1]), dims=1) for i, t in enumerate(tracks)], dim=-1)


class FinDNA(nn.Module):
    def __init__(self, channels, hidden, track, networks, blocks, cls, learned_cls=False, task=None):
        super().__init__()
        self.cls, self.task_config = cls, task
        self.embedding = nn.Linear(len(ALPHABET), channels)
        if learned_cls:  # one row per [CLS] token
            self.embedding.cls = nn.Parameter(torch.zeros(cls, channels))
        self.encoder = nn.ModuleList(nn.ModuleList(Block(channels, hidden, track) for _ in range(blocks)) for _ in range(networks))
        self.head = nn.Linear(channels, len(ALPHABET))
        if task:  # the head of a fine-tuned model
            width = channels * (2 if task["features"] == "both" else 1)
            layers = {"hidden": nn.Linear(width, task["hidden"])} if task["hidden"] else {}
            self.task = nn.ModuleDict({**layers, "out": nn.Linear(task["hidden"] or width, task["outputs"])})

    @classmethod
    def load(cls, folder):
        with open(os.path.join(folder, "config.json")) as file:
            config = json.load(file)
        if config["format"] != "findna-model 1" or config["alphabet"] != ALPHABET:
            raise ValueError(f"{folder}: not a findna-model 1 with the alphabet {ALPHABET}")
        encoder = config.get("encoder", "chordmixer")
        if encoder != "chordmixer":
            raise ValueError(f"{folder}: model.encoder: {encoder}; this script supports only chordmixer")
        model = cls(*(config[key] for key in ("channels", "hidden", "track", "networks", "blocks", "cls")),
                    learned_cls=config.get("cls_tokens") == "learned", task=config.get("task"))
        model.load_state_dict(read_safetensors(os.path.join(folder, "model.safetensors")))
        return model.eval()

    def forward(self, x, cls=0):
        """x [batch, tokens, 5] -> latents [batch, tokens, channels], logits [batch, tokens, 5]. The last `cls` tokens (0 or all) are [CLS]."""
        x = self.embedding(x)
        if cls and hasattr(self.embedding, "cls"):
            x = torch.cat([x[:, :-cls], x[:, -cls:] + self.embedding.cls], dim=1)
        for network in self.encoder:
            for block in network:
                x = block(x)
        return x, self.head(x)

    @torch.no_grad()
    def embed(self, sequences, pool="tokens"):
        """[sequences, channels]: pool is tokens (mean over the nucleotides) or cls (mean over appended [CLS] rows)."""
        rows = []
        for sequence in sequences:  # one at a time: lengths differ, and padding would change the rotation
            cls = 0 if pool == "tokens" else self.cls
            latents = self(one_hot(sequence, cls)[None], cls)[0][0]
            rows.append((latents if pool == "tokens" else latents[-self.cls :]).mean(dim=0))
        return torch.stack(rows)

    @torch.no_grad()
    def predict(self, sequences):
        """[sequences, outputs] of a fine-tuned model: probabilities of the classes, or values, as `findna embed --pool task` writes them."""
        pools = {"tokens": ["tokens"], "cls": ["cls"], "both": ["tokens", "cls"]}[self.task_config["features"]]
        rows = []
        for sequence in sequences:
            cls = 0 if pools == ["tokens"] else self.cls
            latents = self(one_hot(sequence, cls)[None], cls)[0][0]
            parts = {"tokens": latents[: len(sequence)], "cls": latents[len(sequence) :]}
            rows.append(torch.cat([parts[pool].mean(dim=0) for pool in pools]))
        x = torch.stack(rows)
        if self.task_config["hidden"]:
            x = nn.functional.gelu(self.task["hidden"](x))
        z = self.task["out"](x)
        return z.softmax(dim=-1) if self.task_config["kind"] == "classes" else z


if __name__ == "__main__":
    for row in getattr(FinDNA.load(sys.argv[1]), (sys.argv + ["embed"])[2])([line.strip() for line in sys.stdin]):
        print("\t".join(f"{value:.9g}" for value in row.tolist()))
