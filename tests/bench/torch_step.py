"""PyTorch's side of the benchmark: torch_step.py step|compile|infer|finetune|embed|linear|product THREADS BATCH [DEVICE [bf16]]. The same model, on the CPU (the default)
in fp32, with `bf16` and on another device under bf16 autocast; `product` multiplies two BATCH x BATCH bf16 matrices; `linear` prints
seconds of the forward and of the backward pass of three layers instead. Measures once per line on standard input and prints
seconds and MB of memory: on the CPU those of the process beyond importing PyTorch, on a GPU the peak that PyTorch allocated."""
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

kind, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
device = torch.device(sys.argv[4] if len(sys.argv) > 4 else "cpu")
gpu = device.type != "cpu"
torch.set_num_threads(threads)
torch.manual_seed(1)
LENGTH, CLS, CHANNELS, HIDDEN, TRACK, NETWORKS, BLOCKS = 1000, 10, 308, 512, 28, 4, 10


def memory():
    if gpu:
        return torch.cuda.max_memory_allocated() * 1e-6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(CHANNELS, HIDDEN)
        self.fc2 = torch.nn.Linear(HIDDEN, CHANNELS)

    def forward(self, x):
        tracks = torch.split(self.fc2(F.gelu(self.fc1(x))), TRACK, 2)
        return x + torch.cat([t if i == 0 else torch.roll(t, -(1 << (i - 1)), 1) for i, t in enumerate(tracks)], 2)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Linear(5, CHANNELS)
        self.encoder = torch.nn.Sequential(*[Block() for _ in range(NETWORKS * BLOCKS)])
        self.head = torch.nn.Linear(CHANNELS, 5)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x)))


before = memory()
student, teacher = Network().to(device), Network().to(device)
teacher.load_state_dict(student.state_dict())
optimizer = torch.optim.AdamW(student.parameters(), lr=3e-4, weight_decay=3e-4, foreach=not gpu, fused=gpu)
centre = torch.zeros(CLS, 5, device=device)
autocast = torch.autocast(device.type, torch.bfloat16, enabled=gpu or sys.argv[5:] == ["bf16"])
run_student, run_teacher = (torch.compile(student), torch.compile(teacher)) if kind == "compile" else (student, teacher)


def step():
    global centre
    labels = torch.randint(0, 4, (batch, LENGTH), device=device)
    mask = (torch.rand(batch, LENGTH, device=device) < 0.3).float()
    rows, zero = F.one_hot(labels, 5).float(), torch.zeros(batch, CLS, 5, device=device)
    with torch.no_grad(), autocast:
        q = run_teacher(torch.cat([rows + 0.2 * torch.randn_like(rows), zero], 1))[:, LENGTH:]
    with autocast:
        z = run_student(torch.cat([rows * (1 - mask[:, :, None]), zero], 1))
    q, z = q.float(), z.float()
    mnm = (F.cross_entropy(z[:, :LENGTH].transpose(1, 2), labels, reduction="none") * mask).sum() / batch
    cl = -(F.softmax((q - centre) / 0.04, 1) * F.log_softmax(z[:, LENGTH:] / 0.1, 1)).sum() / batch
    optimizer.zero_grad(set_to_none=True)
    (0.5 * mnm + 0.5 * cl).backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 0.5)
    optimizer.step()
    with torch.no_grad():
        t, s = list(teacher.parameters()), list(student.parameters())
        torch._foreach_mul_(t, 0.996)
        torch._foreach_add_(t, s, alpha=0.004)
        centre = 0.996 * centre + 0.004 * q.mean(0)


x = F.one_hot(torch.randint(0, 4, (1 if kind == "product" else batch, LENGTH + CLS), device=device), 5).float()


@torch.inference_mode()
def infer():
    with autocast:
        student(x)


task = torch.nn.Linear(CHANNELS, 2).to(device)
tuned = torch.optim.AdamW([*student.parameters(), *task.parameters()], lr=5e-4, weight_decay=0.1, foreach=True)


def finetune():
    rows = F.one_hot(torch.randint(0, 4, (batch, 500), device=device), 5).float()
    with autocast:
        z = task(student.encoder(student.embedding(rows)).mean(1))
    tuned.zero_grad(set_to_none=True)
    F.cross_entropy(z.float(), torch.arange(batch, device=device) % 2).backward()
    torch.nn.utils.clip_grad_norm_([*student.parameters(), *task.parameters()], 0.5)
    tuned.step()


@torch.inference_mode()
def embed():
    with autocast:
        student.encoder(student.embedding(x[:, :LENGTH])).mean(1)


if kind == "product":
    left, right = (torch.randn(batch, batch, device=device).bfloat16() for _ in range(2))


def product():
    left @ right


if kind == "linear":
    layers = [torch.nn.Linear(*sizes) for sizes in ((768, 768), (768, 3072), (3072, 768))]


def linear():
    medians = []
    for layer in layers:
        rows, dy = torch.randn(1760, layer.in_features, requires_grad=True), torch.randn(1760, layer.out_features)
        rounds = []
        for _ in range(6):
            layer.zero_grad(set_to_none=True)
            rows.grad = None
            start = time.perf_counter()
            y = layer(rows)
            middle = time.perf_counter()
            y.backward(dy)
            rounds.append((middle - start, time.perf_counter() - middle))
        medians += [statistics.median(passes) for passes in zip(*rounds[1:])]
    return " ".join(f"{m:.6f}" for m in medians)


def wait():
    if gpu:
        torch.cuda.synchronize()


measured = {"infer": infer, "finetune": finetune, "embed": embed, "linear": linear, "product": product}.get(kind, step)
measured()
wait()
for _ in sys.stdin:
    start = time.perf_counter()
    line = measured()
    wait()
    print(line or f"{time.perf_counter() - start:.6f} {memory() - before:.1f}", flush=True)
