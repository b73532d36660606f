"""PyTorch's side of the BarcodeMAE row: torch_mae.py THREADS SEQUENCES TOKENS CHANNELS HIDDEN LAYERS DECODER_LAYERS HEADS VOCABULARY [bf16]. A whole training step with
transformers' BertModel over the visible words (packed to the left, padded to the batch's largest number of them, with their original positions) and its
BertForTokenClassification over all words, as the method's publication describes: sdpa, dropout 0.1, AdamW; eager, fp32 or under bf16 autocast. Measures once per line on standard
input and prints seconds and MB of memory beyond importing PyTorch."""
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertForTokenClassification, BertModel

threads, count, tokens, d, ffn, layers, decoder_layers, heads, vocabulary = map(int, sys.argv[1:10])
autocast = torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[10:] == ["bf16"])
SPECIAL = 2  # [MASK], [UNK]
torch.set_num_threads(threads)
torch.manual_seed(1)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


def sizes(depth, **more):
    config = BertConfig(vocab_size=vocabulary, hidden_size=d, num_hidden_layers=depth, num_attention_heads=heads, intermediate_size=ffn, max_position_embeddings=512, **more)
    config._attn_implementation = "sdpa"
    return config


before = memory()
encoder = BertModel(sizes(layers), add_pooling_layer=False).train()
decoder = BertForTokenClassification(sizes(decoder_layers, num_labels=vocabulary - SPECIAL)).train()
projection = nn.Linear(d, d)
optimizer = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters(), *projection.parameters()], lr=1e-4, weight_decay=1e-5, foreach=True)
everything = torch.ones(count, tokens, dtype=torch.long)


def step():
    ids = torch.randint(SPECIAL, vocabulary, (count, tokens))
    hidden = torch.rand(count, tokens) < 0.5
    order = torch.argsort(hidden.long(), dim=1, stable=True)[:, : int((~hidden).sum(1).max())]  # places of the visible words, padded
    seen = torch.gather(~hidden, 1, order)
    with autocast:
        latents = encoder(input_ids=torch.gather(ids, 1, order), attention_mask=seen.long(), position_ids=order).last_hidden_state
        latents = projection(latents)
        rows = decoder.bert.embeddings.word_embeddings.weight[0].expand(count, tokens, d).to(latents.dtype).clone()
        rows[(~hidden).nonzero(as_tuple=True)] = latents[seen]
        logits = decoder(inputs_embeds=rows, attention_mask=everything).logits
    loss = F.cross_entropy(logits[hidden].float(), ids[hidden] - SPECIAL)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


step()
print("ready", file=sys.stderr)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(f"{time.perf_counter() - start:.6f} {memory() - before:.1f}", flush=True)
