"""PyTorch's side of the encoder rows: torch_encoder.py bert|dnabert_2|nt_v2 step|infer THREADS SEQUENCES TOKENS CHANNELS HIDDEN LAYERS HEADS VOCABULARY [packed] [bf16]. Eager,
fp32 or under bf16 autocast, scaled_dot_product_attention. packed: the packed sequences of encoder.c, padded to TOKENS with a key mask. Measures once per line on standard input and prints seconds and MB of memory beyond importing PyTorch."""
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

family, kind = sys.argv[1:3]
threads, count, tokens, d, ffn, layers, heads, vocabulary = map(int, sys.argv[3:11])
autocast = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in sys.argv[11:])
lengths = torch.tensor([61 + 5 * i % 12 if "packed" in sys.argv[11:] else tokens for i in range(count)])
torch.set_num_threads(threads)
torch.manual_seed(1)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


before = memory()
angles = torch.outer(torch.arange(tokens).double(), 10000 ** (-2 * torch.arange(d // heads // 2).double() / (d // heads)))
cos, sin = (torch.cat([f(angles)] * 2, 1).float() for f in (torch.cos, torch.sin))
distance = -(torch.arange(tokens)[:, None] - torch.arange(tokens)).abs().float()
there = torch.arange(tokens) < lengths[:, None]
keys = None if there.all() else there[:, None, None]
slopes = torch.stack([2 ** (-8.0 * (h + 1) / heads) * distance for h in range(heads)])[None]


def turn(x):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        gated = family != "bert"
        self.qkv, self.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, ffn * (2 if gated else 1), bias=not gated), nn.Linear(ffn, d, bias=family != "nt_v2")
        self.norm1, self.norm2 = nn.LayerNorm(d, 1e-12), nn.LayerNorm(d, 1e-12)

    def attend(self, x):
        q, k, v = self.qkv(x).view(count, tokens, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        if family == "nt_v2":
            q, k = turn(q), turn(k)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=slopes if family == "dnabert_2" else keys)
        return self.o(y.transpose(1, 2).reshape(count, tokens, d))

    def mlp(self, x):
        if family == "bert":
            return self.down(F.gelu(self.up(x)))
        a, b = self.up(x).chunk(2, -1)
        return self.down((F.silu(a) if family == "nt_v2" else F.gelu(a)) * b)

    def forward(self, x):
        if family == "nt_v2":
            x = x + self.attend(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attend(x))
        return self.norm2(x + self.mlp(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.types, self.places = nn.Embedding(vocabulary, d), nn.Embedding(2, d), nn.Embedding(tokens, d)
        self.norm, self.layers = nn.LayerNorm(d, 1e-12), nn.Sequential(*[Layer() for _ in range(layers)])

    def forward(self, ids):
        x = self.words(ids)
        if family == "nt_v2":
            return self.norm(self.layers(x))
        x = x + self.types.weight[0]
        return self.layers(self.norm(x + self.places.weight if family == "bert" else x))


model = Encoder()
ids = (torch.arange(count * tokens) * 7919 % vocabulary).view(count, tokens)
gradient = torch.where(torch.arange(count * tokens * d) % 3 > 0, 1e-3, -1e-3).view(count, tokens, d) * there[:, :, None]
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2, foreach=True) if kind == "step" else None


def step():
    optimizer.zero_grad(set_to_none=True)
    with autocast:
        y = model(ids)
    y.float().backward(gradient)
    optimizer.step()


@torch.inference_mode()
def infer():
    with autocast:
        model(ids)


run = step if kind == "step" else infer
run()
print("ready", file=sys.stderr)
for _ in sys.stdin:
    start = time.perf_counter()
    run()
    print(f"{time.perf_counter() - start:.6f} {memory() - before:.1f}", flush=True)
