"""PyTorch's side of the HAD row: torch_had.py THREADS SEQUENCES TOKENS. The student of configs/had.yaml, eager, fp32, around the chunked gated delta rule of
transformers (torch_chunk_gated_delta_rule, qwen3_next), which has no dedicated CPU kernel; the same training step as `bench encoder_step`: forward, backward
from a given gradient by the latents, AdamW. Measures once per line on standard input and prints seconds and MB of memory beyond importing PyTorch."""
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

threads, count, tokens = map(int, sys.argv[1:4])
d, layers, heads, hidden, delta_heads, keys, values, taps, table = 128, 4, 4, 512, 2, 48, 96, 4, 16
torch.set_num_threads(threads)
torch.manual_seed(1)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


before = memory()
angles = torch.outer(torch.arange(tokens).double(), 10000 ** (-2 * torch.arange(d // heads // 2).double() / (d // heads)))
cos, sin = (torch.cat([f(angles)] * 2, 1).float() for f in (torch.cos, torch.sin))


def turn(x):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class DeltaNet(nn.Module):
    """One direction of a gated delta net: depthwise causal convolutions, gates, the delta rule, gated RMSNorm."""

    def __init__(self):
        super().__init__()
        wide = delta_heads * (2 * keys + values)
        self.qkv, self.conv = nn.Linear(d, wide, bias=False), nn.Conv1d(wide, wide, taps, groups=wide, padding=taps - 1, bias=False)
        self.gates, self.g = nn.Linear(d, 2 * delta_heads, bias=False), nn.Linear(d, delta_heads * values, bias=False)
        self.rate, self.offset = nn.Parameter(torch.rand(delta_heads)), nn.Parameter(torch.rand(delta_heads))
        self.norm, self.o = nn.Parameter(torch.ones(values)), nn.Linear(delta_heads * values, d, bias=False)

    def forward(self, x):
        y = F.silu(self.conv(self.qkv(x).transpose(1, 2))[..., :tokens].transpose(1, 2))
        q, k, v = (part.view(count, tokens, delta_heads, -1) for part in y.split([delta_heads * n for n in (keys, keys, values)], -1))
        a, b = self.gates(x).chunk(2, -1)
        decay = -self.rate.exp() * F.softplus(a + self.offset)
        y, _ = torch_chunk_gated_delta_rule(q, k, v, decay, b.sigmoid(), use_qk_l2norm_in_kernel=True)
        y = F.rms_norm(y, (values,), self.norm, 1e-5) * F.silu(self.g(x).view(count, tokens, delta_heads, values))
        return self.o(y.flatten(2))


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.along, self.back = DeltaNet(), DeltaNet()

    def forward(self, x):
        return self.along(x) + self.back(x.flip(1)).flip(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.o = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).view(count, tokens, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(turn(q), turn(k), v)
        return self.o(y.transpose(1, 2).reshape(count, tokens, d))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(d, 2 * hidden, bias=False), nn.Linear(hidden, d, bias=False)

    def forward(self, x):
        a, b = self.up(x).chunk(2, -1)
        return self.down(F.silu(a) * b)


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.blocks = nn.Embedding(table, d), nn.ModuleList([*(Both() for _ in range(layers)), Attention(), Mlp()])
        self.norms = nn.ModuleList([nn.RMSNorm(d, 1e-5) for _ in range(layers + 3)])

    def forward(self, ids):
        x = self.embed(ids)
        for norm, block in zip(self.norms, self.blocks):
            x = x + block(norm(x))
        return self.norms[-1](x)


model = Student()
parameters = sum(p.numel() for p in model.parameters())
assert parameters == 1068704, parameters  # those of configs/had.yaml
ids = (torch.arange(count * tokens) * 7919 % 7).view(count, tokens)
gradient = torch.where(torch.arange(count * tokens * d) % 3 > 0, 1e-3, -1e-3).view(count, tokens, d)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2, foreach=True)


def step():
    optimizer.zero_grad(set_to_none=True)
    model(ids).backward(gradient)
    optimizer.step()


step()
print("ready", file=sys.stderr)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(f"{time.perf_counter() - start:.6f} {memory() - before:.1f}", flush=True)
