#!/usr/bin/env bash
# Tests findna merges: it learns what the tokenizers library learns, if that is installed; bad input is refused.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
expect "merges of windows" 0 "wrote words.json: 391 merges, a vocabulary of 400 tokens" "$FINDNA" merges shards --vocabulary 400 --output words.json
expect "again" 0 "wrote again.json" "$FINDNA" merges shards --vocabulary 400 --output again.json
check "the same bytes" cmp words.json again.json
expect "merges of some windows" 0 "learning from 100 of 512" "$FINDNA" merges shards --vocabulary 400 --windows 100 --output few.json
check "differ" bash -c '! cmp -s words.json few.json'
expect "more tokens than the windows have" 0 "no pair is left to join" "$FINDNA" merges shards --windows 1 --vocabulary 4096 --output all.json
expect "no output" 64 "give SHARDS and --output FILE" "$FINDNA" merges shards
expect "no shards" 66 "nowhere: no such folder" "$FINDNA" merges nowhere --output x.json
expect "too few tokens" 64 "vocabulary" "$FINDNA" merges shards --vocabulary 8 --output x.json
expect "an output over the shards" 73 "manifest.json" "$FINDNA" merges shards --output shards/manifest.json
cp -r shards damaged && printf x >>"$(ls damaged/*.h5 | head -1)"
expect "damaged shards" 65 "damaged" "$FINDNA" merges damaged --output x.json
check "these leave no file" test ! -e x.json
python=${PYTHON:-python3}
if ! $python -c 'import tokenizers' 2>/dev/null; then echo "skipped - comparison with the tokenizers library: it is not installed for $python (PYTHON=...)"; exit 0; fi
cat >compare.py <<'E'
import json, os, random, subprocess, sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

def merges_of(file):
    return [tuple(m.split()) if isinstance(m, str) else tuple(m) for m in json.load(open(file))["model"]["merges"]]

findna, vocabulary = sys.argv[1], int(sys.argv[2])
random.seed(int(sys.argv[3]) + int(os.environ["DRAWS"]))
text = []
for i in range(300):
    kind = i % 5
    s = "".join(random.choice("ACGT" if kind < 3 else "AC" if kind == 3 else "A" * 9 + "T") for _ in range(120))
    if kind == 1: s = (s[:random.randint(1, 6)] * 120)[:120]
    text.append("".join("N" if random.random() < .01 else c for c in s))
open("windows.fa", "w").write("".join(f">c{i}\n{s}\n" for i, s in enumerate(text)))
subprocess.run([findna, "prepare", "--window", "120", "--stride", "120", "--max-n", "1", "--holdout", "c0", "drawn", "windows.fa"], check=True, capture_output=True)
subprocess.run([findna, "merges", "drawn", "--vocabulary", str(vocabulary), "--output", "ours.json"], check=True, capture_output=True)
t = Tokenizer(models.BPE(unk_token="[UNK]"))
t.pre_tokenizer = pre_tokenizers.Whitespace()
trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"], initial_alphabet=list("ACGT"), max_token_length=256, show_progress=False)
t.train_from_iterator([p for s in text[1:] for p in s.split("N") if p], trainer)
t.save("theirs.json")
ours, theirs = json.load(open("ours.json")), json.load(open("theirs.json"))
assert merges_of("ours.json") == merges_of("theirs.json"), "merges"
assert ours["model"]["vocab"] == theirs["model"]["vocab"], "vocabulary"
read = Tokenizer.from_file("ours.json")
for s in text[:50]:
    ids = read.encode(s).ids
    assert ids == [1] + t.encode(s).ids + [2], s
E
for seed in 1 2 3; do check "tokenizers learns the same 1,200 tokens and reads ours, seed $seed" $python compare.py "$FINDNA" 1200 $seed; rm -rf drawn; done
