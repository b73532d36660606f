#!/usr/bin/env bash
# Tests findna import of published folders (Nucleotide Transformer, DNABERT-2, BERT): what is read, refused and left out; embed and probe of imported
# models; export and renewed import. test_published.c tests the values.
. "$(dirname "$0")/lib.sh"
golden=$root/../shared/golden5
[ -d "$golden" ] || { echo "skipped - published folders: ../shared/golden5 is not available"; exit 0; }
cp -r "$golden/ntv2_d48_hf" nt && cp -r "$golden/dnabert2_d48_hf" dnabert && cp -r "$golden/bert_d48_hf" bert && chmod -R u+w nt dnabert bert
printf '>a\n%s\n>b\nACGTNACGTTTGACA\n' "$(for _ in $(seq 30); do printf ACGTTGCA; done)" >s.fa
awk 'BEGIN { srand(5 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 60; i++) { s = ""; for (j = 0; j < 48; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," i % 2 } }' >rows.csv

# --- Nucleotide Transformer v2
expect "a published NTv2 is imported" 0 "wrote run .*: use it as CHECKPOINT$" "$FINDNA" import nt run
check "its checkpoint has weights and no moments" test "$(ls run/ckpt/step_000000000 | tr '\n' ' ')" = "MANIFEST config.yaml student-00.safetensors "
check "unused tensors are listed" bash -c "grep -q 'not used: esm.contact_head.regression.weight' out.log && grep -q '7 tensors of nt are not used' out.log"
expect "the checkpoint is intact" 0 "student" "$FINDNA" inspect run/ckpt/step_000000000
expect "means over words" 0 "wrote mean.tsv" "$FINDNA" embed run s.fa --output mean.tsv
check "one row per sequence, 48 values" bash -c "[ \$(wc -l <mean.tsv) -eq 3 ] && [ \$(head -1 mean.tsv | wc -w) -eq 49 ]"
expect "its own [CLS] token" 0 "wrote cls.tsv" "$FINDNA" embed run s.fa --output cls.tsv --pool cls
check "has a different row" bash -c "! cmp -s mean.tsv cls.tsv"
# One row per word, with its span: b is ACGTN ACGTTT GAC A, in which letters next to N and at the end are separate words.
expect "words" 0 "wrote words.tsv" "$FINDNA" embed run s.fa --output words.tsv --pool positions
check "have spans, <cls> an empty one" test "$(awk '$1 == "b" { printf "%s:%s+%s ", $2, $3, $4 }' words.tsv)" = "1:0+0 2:0+1 3:1+1 4:2+1 5:3+1 6:4+1 7:5+6 8:11+1 9:12+1 10:13+1 11:14+1 "
check "their mean is the sequence's embedding" bash -c "awk 'NR == FNR { if (FNR > 1) for (i = 2; i <= NF; i++) mean[\$1, i] = \$i; next } FNR > 1 { n[\$1]++; for (i = 5; i <= NF; i++) sum[\$1, i - 3] += \$i } END { for (k in mean) { split(k, p, SUBSEP); d = mean[k] - sum[k] / n[p[1]]; bad += d * d > 1e-11; seen++ } exit bad || seen != 96 }' mean.tsv words.tsv"
expect "on two ranks" 0 "wrote words2.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" embed run s.fa --output words2.tsv --pool positions
check "the same bits" cmp words.tsv words2.tsv
expect "as NumPy" 0 "wrote words.npy" "$FINDNA" embed run s.fa --output words.npy --pool positions
check "with names and spans in a second file" cmp <(tail -n +2 words.tsv | cut -f1,3,4) words.npy.ids.txt
expect "which is inspected" 0 "items +2" "$FINDNA" inspect words.npy
check "with its rows" grep -q "rows  *52 of 48 values" out.log
expect "as HDF5" 0 "wrote words.h5" "$FINDNA" embed run s.fa --output words.h5 --pool positions
expect "which is inspected" 0 "rows +52 of 48 values, float32, of parts of the items .span." "$FINDNA" inspect words.h5
expect "windows of a longer sequence" 0 "wrote cut.tsv" "$FINDNA" embed run s.fa --output cut.tsv --pool positions --window 120
expect "whose words two ranks share" 0 "wrote cut2.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" embed run s.fa --output cut2.tsv --pool positions --window 120
check "with the same bytes" cmp cut.tsv cut2.tsv
check "follow each other without overlap" test "$(awk '$1 == "a" && $4 == 0 { printf "%s:%s ", $2, $3 }' cut.tsv)" = "1:0 22:120 "
check "with spans in the sequence" test "$(awk '$1 == "a" && $2 == 42 { print $3 "+" $4 }' cut.tsv)" = "234+6"
expect "words have no reverse complement" 64 "the words of the reverse complement differ" "$FINDNA" embed run s.fa --output x.tsv --pool positions --both-strands
expect "a linear probe" 0 "student" "$FINDNA" probe run --train rows.csv --test rows.csv --seeds 1
expect "two ranks" 0 "wrote two.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" embed run s.fa --output two.tsv
check "embed to the same bits" cmp mean.tsv two.tsv
expect "exported" 0 "wrote" "$FINDNA" export run out
check "with the published names" grep -aq '"esm.encoder.layer.2.attention.self.query.weight"' out/model.safetensors
expect "and imported again" 0 "wrote run2" "$FINDNA" import out run2
expect "it embeds" 0 "wrote again.tsv" "$FINDNA" embed run2 s.fa --output again.tsv
check "to the same bits" cmp mean.tsv again.tsv
expect "tracks are of nucleotides" 64 "tracks are of models over nucleotides; it scores variants" "$FINDNA" score run s.fa --output x.bedgraph
{ printf '>chr1\n'; for ((i = 0; i < 60; i++)); do printf ACGTTGCAACGGTTAC; done; echo; } >genome.fa
printf 'chrom,pos,ref,alt,id\nchr1,101,T,C,a\nchr1,201,A,ACC,b\nchr1,300,GTTACA,CATTAG,c\nchr1,960,C,A,d\n' >v.csv
expect "variants are scored by masked words" 0 "4 alleles scored" "$FINDNA" score run v.csv --genome genome.fa --output v.tsv --window 240
check "alleles of REF's length have a ratio, all a distance" test "$(awk -F'\t' 'NR > 1 { print $3 ($6 != "") ($7 > 0) }' v.tsv | tr '\n' ' ')" = "a11 b01 c11 d11 "
expect "on two ranks" 0 "wrote v2.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" score run v.csv --genome genome.fa --output v2.tsv --window 240
check "the same bits" cmp v.tsv v2.tsv

# --- Nucleotide Transformer v1
cp -r "$root/tests/golden/ntv1_d8_hf" nt1 && chmod -R u+w nt1
awk 'BEGIN { split("A T C G", l, " "); print "<unk>\n<pad>\n<mask>\n<cls>"; for (i = 0; i < 4096; i++) { w = ""; n = i; for (k = 0; k < 6; k++) { w = l[n % 4 + 1] w; n = int(n / 4) } print w } print "A\nT\nC\nG\nN" }' >nt1/vocab.txt
expect "a published NTv1 is imported" 0 "wrote run_v1 .*: use it as CHECKPOINT$" "$FINDNA" import nt1 run_v1
printf '>a\n%s\n>b\nACGTNACGTTTGACA\n' "$(for _ in $(seq 9); do printf ACGTTGCA; done)" >short.fa
expect "words" 0 "wrote v1.tsv" "$FINDNA" embed run_v1 short.fa --output v1.tsv --pool positions
check "have the spans of v2's" test "$(awk '$1 == "b" { printf "%s:%s+%s ", $2, $3, $4 }' v1.tsv)" = "1:0+0 2:0+1 3:1+1 4:2+1 5:3+1 6:4+1 7:5+6 8:11+1 9:12+1 10:13+1 11:14+1 "
expect "on two ranks" 0 "wrote v1_2.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" embed run_v1 short.fa --output v1_2.tsv --pool positions
check "the same bits" cmp v1.tsv v1_2.tsv
expect "more tokens than positions" 65 "sequence a: 240 nucleotides are 41 tokens, but the model has learned 16 positions" "$FINDNA" embed run_v1 s.fa --output x.tsv --window 0
expect "exported" 0 "wrote" "$FINDNA" export run_v1 out_v1
check "with all keys" bash -c "grep -q '\"max_position_embeddings\": 18' out_v1/config.json && grep -q '\"token_dropout\": true' out_v1/config.json && grep -q EsmForMaskedLM out_v1/config.json"
expect "and imported again" 0 "wrote back_v1" "$FINDNA" import out_v1 back_v1
expect "it embeds" 0 "wrote again.tsv" "$FINDNA" embed back_v1 short.fa --output again.tsv --pool positions
check "to the same bits" cmp v1.tsv again.tsv
expect "variants are scored by masked words" 0 "4 alleles scored" "$FINDNA" score run_v1 v.csv --genome genome.fa --output v1v.tsv --window 60
refuse_v1() { rm -rf bad_v1 && cp -r nt1 bad_v1 && sed -i "$2" "bad_v1/${4:-config.json}" && expect "$1" 65 "$3" "$FINDNA" import bad_v1 bad; }
refuse_v1 "v1 without token dropout" 's/"token_dropout": true/"token_dropout": false/' "token_dropout: 'false' .expected 'true'"
refuse_v1 "another id of <mask>" 's/"mask_token_id": 2/"mask_token_id": 4/' "mask_token_id: '4' .expected '2'"
refuse_v1 "v1 with the words of v2" 's/4105/4107/' "vocab_size: 4107 .expected 4105"
refuse_v1 "v1 without positions" 's/"max_position_embeddings": 18/"max_position_embeddings": 2/' "max_position_embeddings: expected more than 2"
refuse_v1 "v1 of another activation" 's/"use_cache": false/"hidden_act": "relu"/' "hidden_act: 'relu' .expected 'gelu'"
refuse_v1 "another order of words" '5{h;d};6G' "id 4 is 'AAAAAT' there and 'AAAAAA' here" vocab.txt

# --- several files with an index
mkdir parts && cp nt/config.json parts/ && cp nt/model.safetensors parts/model-00001-of-00001.safetensors
echo '{"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors", "b": "model-00001-of-00001.safetensors"}}' >parts/model.safetensors.index.json
expect "an index" 0 "wrote run3" "$FINDNA" import parts run3
expect "its model embeds" 0 "wrote part.tsv" "$FINDNA" embed run3 s.fa --output part.tsv
check "the same bits" cmp mean.tsv part.tsv
sed -i 's/"b": "model-00001/"b": "model-00002/' parts/model.safetensors.index.json
expect "a file of the index that is missing" 66 "cannot open parts/model-00002-of-00001.safetensors" "$FINDNA" import parts bad
sed -i 's/"b": "model-00002-of-00001.safetensors"/"b": "..\/x"/' parts/model.safetensors.index.json
expect "a file elsewhere" 65 "tensor 'b': expected the name of a file in this folder" "$FINDNA" import parts bad
echo '{}' >parts/model.safetensors.index.json
expect "an index of nothing" 65 "no 'weight_map'" "$FINDNA" import parts bad

# --- messages name what is wrong
edit() { rm -rf bad_nt && cp -r nt bad_nt && sed -i "$1" "bad_nt/${2:-config.json}"; }
edit 's/"esm"/"t5"/' && expect "another family" 65 "model_type: 't5' .expected esm or bert" "$FINDNA" import bad_nt bad
edit 's/"model_type": "esm"/"model_type": null/; s/"EsmForMaskedLM"/"T5Model"/' && expect "no family" 65 "model_type: 'missing' .expected esm or bert" "$FINDNA" import bad_nt bad
edit '/"model_type"/d' && expect "no model_type, as NTv2 is published: the family of the architecture" 0 "wrote run_untyped" "$FINDNA" import bad_nt run_untyped
check "is the same model" same run run_untyped
edit 's/"hidden_size": 48/"hidden_size": 24, "hidden_size": 48/' && expect "a key that is there twice: the last value, as in Python" 0 "wrote run_twice" "$FINDNA" import bad_nt run_twice
check "is the same model" same run run_twice
edit 's/"rotary"/"relative_key"/' && expect "other positions" 65 "position_embedding_type: 'relative_key' .expected 'rotary'" "$FINDNA" import bad_nt bad
edit 's/"add_bias_fnn": false/"add_bias_fnn": true/' && expect "unsupported biases" 65 "add_bias_fnn: 'true'" "$FINDNA" import bad_nt bad
edit 's/"hidden_size": 48/"hidden_size": "48"/' && expect "a size that is a string" 65 "hidden_size: expected a whole number" "$FINDNA" import bad_nt bad
edit 's/"vocab_size": 4107/"vocab_size": 4108/' && expect "another vocabulary" 65 "vocab_size: 4108 .expected 4107" "$FINDNA" import bad_nt bad
edit 's/"num_attention_heads": 4/"num_attention_heads": 5/' && expect "heads that do not divide the width" 65 "model.heads: 5" "$FINDNA" import bad_nt bad
edit 's/"intermediate_size": 128/"intermediate_size": 64/' && expect "another shape" 65 "intermediate.dense.weight': shape .256, 48. .config.json says .128, 48" "$FINDNA" import bad_nt bad
edit 's/"num_hidden_layers": 3/"num_hidden_layers": 2/' && expect "an extra tensor" 65 "tensor 'esm.encoder.layer.2.*' does not belong to this model" "$FINDNA" import bad_nt bad
edit 's/"num_hidden_layers": 3/"num_hidden_layers": 4/' && expect "a missing tensor" 65 "no tensor 'esm.encoder.layer.3" "$FINDNA" import bad_nt bad
edit 's/\("esm.encoder.layer.0.LayerNorm.bias":{"dtype":"\)F32/\1I32/' model.safetensors && expect "integers" 65 "is I32 .expected F32, F16 or BF16" "$FINDNA" import bad_nt bad
rm -rf bad_nt && cp -r nt bad_nt && truncate -s -4 bad_nt/model.safetensors && expect "a truncated file" 65 "model.safetensors" "$FINDNA" import bad_nt bad
rm bad_nt/model.safetensors && expect "no weights" 66 "cannot open bad_nt/model.safetensors" "$FINDNA" import bad_nt bad
pointer() { printf 'version https://git-lfs.github.com/spec/v1\noid sha256:609fb1a92a180a596f77a0c4a5d36c03562ca9ab6792c0399f8e4138854b4322\nsize 986\n'; }
for name in config.json model.safetensors vocab.txt; do
  rm -rf bad_nt && cp -r nt bad_nt && pointer >bad_nt/$name
  expect "a clone without git-lfs: $name" 65 "bad_nt/$name: is a pointer of Git LFS, not the file" "$FINDNA" import bad_nt bad
done
check "nothing was written" test ! -e bad

# --- byte pairs
expect "without the tokenizer" 66 "dnabert/tokenizer.json: not there" "$FINDNA" import dnabert bad
merges=$golden/bpe_merges.txt
bpe_json "$merges" >dnabert/tokenizer.json
cp dnabert/tokenizer.json bert/
for model in dnabert bert; do
  expect "a published $model is imported" 0 "wrote run_$model" "$FINDNA" import $model run_$model
  expect "and embeds" 0 "wrote $model.tsv" "$FINDNA" embed run_$model s.fa --output $model.tsv --pool both
  expect "exported with its tokenizer" 0 "wrote" "$FINDNA" export run_$model out_$model
  expect "imported again" 0 "wrote again_$model" "$FINDNA" import out_$model again_$model
  expect "it embeds" 0 "wrote $model.again.tsv" "$FINDNA" embed again_$model s.fa --output $model.again.tsv --pool both
  check "to the same bits" cmp $model.tsv $model.again.tsv
  expect "words" 0 "wrote pairs.tsv" "$FINDNA" embed run_$model s.fa --output pairs.tsv --pool positions
  check "are adjacent, between [CLS] and [SEP]" test "$(awk '$1 == "b" { if ($3 != end) print "gap"; end = $3 + $4; n++; empty += $4 == 0 } END { print end, empty, (n > 4) }' pairs.tsv)" = "15 2 1"
done
cp -r dnabert plain && sed -i 's/"alibi_starting_size": *[0-9]*,//' plain/config.json && expect "DNABERT-2 with the config.json of a BERT" 0 "wrote run_plain" "$FINDNA" import plain run_plain
check "is the same model" same run_dnabert run_plain
expect "byte pairs are scored, too" 0 "4 alleles scored" "$FINDNA" score run_dnabert v.csv --genome genome.fa --output pairs.tsv --window 240
check "alleles of every length" test "$(awk -F'\t' 'NR > 1 { print $3 ($6 != "") ($7 > 0) }' pairs.tsv | tr '\n' ' ')" = "a11 b11 c11 d11 "
expect "distances of byte pairs" 0 "wrote d.tsv" "$FINDNA" score run_dnabert v.csv --genome genome.fa --output d.tsv --scores distance
printf '>long\n%s\n' "$(for _ in $(seq 300); do printf ACGTTGCA; done)" >long.fa

# --- messages name what is wrong with byte pairs, too, and nothing is written
broken() { rm -rf bad_words && cp -r dnabert bad_words && sed -i "$1" bad_words/tokenizer.json; }
refused() { expect "$1" 65 "$2" "$FINDNA" import bad_words bad; check "nothing is written" test ! -e bad; }
broken '' && truncate -s 2000 bad_words/tokenizer.json && refused "a truncated tokenizer" "bad_words/tokenizer.json:1:2000: not JSON"
broken '' && pointer >bad_words/tokenizer.json && refused "a clone without git-lfs" "bad_words/tokenizer.json: is a pointer of Git LFS"
broken '' && truncate -s 0 bad_words/tokenizer.json && refused "an empty one" "bad_words/tokenizer.json: has no merges"
broken '' && head -c 3000 dnabert/model.safetensors >bad_words/tokenizer.json && refused "another file in its place" "bad_words/tokenizer.json:1: has a NUL byte"
broken 's/"type":"BPE"/"type":"WordPiece"/' && refused "another kind of model" "model is WordPiece; expected BPE"
broken 's/"merges":\["[A-Z]* [A-Z]*"/"merges":["A X"/' && refused "a letter that is not DNA" "model.merges.0.: 'X' has another letter than A, C, G and T"
broken 's/"merges":\["[A-Z]* [A-Z]*"/"merges":["ACGTACGTACGT A"/' && refused "a part that no merge makes" "model.merges.0.: 'ACGTACGTACGT' is no token"
broken 's/"merges":\["[A-Z]* [A-Z]*"/"merges":["ACG"/' && refused "half a merge" "model.merges.0.: is no merge; expected"
broken 's/"A":5,/"A":99999,/' && refused "an id out of range" "the id of 'A' is none of the 521 ids"
broken 's/"A":5,/"A":-1,/' && refused "an id below 0" "the id of 'A' is none of the 521 ids"
broken 's/"A":5,/"A":6,/' && refused "a repeated id" "the id 6 is there twice"
sed -i 's/"vocab_size": 521/"vocab_size": 520/' bad_words/config.json && cp dnabert/tokenizer.json bad_words/ && refused "another vocabulary" "tokenizer.json: makes a vocabulary of 521 tokens; the model has 520"

# --- sequences that a model cannot read: reported with file and row before anything is computed; existing outputs stay
keeps() { echo old >"$4"; expect "$1" "$2" "$3" "${@:5}"; check "the existing output stays" test "$(cat "$4")" = old; }
expect "windows of the length that always fits" 0 "wrote long.tsv" "$FINDNA" embed run_bert long.fa --output long.tsv
check "with [CLS] and [SEP]" grep -q 'window 62$' run_bert/ckpt/step_000000000/MANIFEST
# Of byte pairs only sequences of more words than the model has positions are cut: 200 letters, 52 words, are not; 2,400, 603 words, are, as by --window.
{ printf '>few\n%s\n' "$(for _ in $(seq 25); do printf ACGTTGCA; done)"; cat long.fa; printf '>other\n%s\n' "$(for _ in $(seq 10); do printf ACGTTGCAGGA; done)"; } >mixed.fa
rows() { grep -v '^id' "$1" | grep "^$2"; }
for how in "--pool both" "--pool both --both-strands" "--pool positions" "--pool max"; do
  for n in 1 2; do ranks $n embed run_bert mixed.fa --output mixed$n.tsv $how >mixed$n.log 2>&1 || cat mixed$n.log; done
  check "$how of few and of many words: the same on two ranks" cmp mixed1.tsv mixed2.tsv
  grep -A1 -E '^>(few|other)' mixed.fa | grep -v '^--' >few.fa
  "$FINDNA" embed run_bert few.fa --output few.tsv $how --window 0 >few.log 2>&1 && "$FINDNA" embed run_bert long.fa --output long.tsv $how --window 62 >few.log 2>&1 || cat few.log
  check "few words are not cut" diff <(rows mixed1.tsv '\(few\|other\)') <(tail -n +2 few.tsv)
  check "many are, as ever" diff <(rows mixed1.tsv long) <(tail -n +2 long.tsv)
done
check "and it says so" grep -q "those of more than 64 words are cut into windows of 62" mixed1.log
keeps "more tokens than learned positions" 65 "long.fa: sequence long: 2400 nucleotides are 603 tokens, but the model has learned 64 positions" x.tsv "$FINDNA" embed run_bert long.fa --output x.tsv --window 0
{ cat rows.csv; printf '%s,1\n' "$(tail -1 long.fa)"; } >long.csv
keeps "in rows of a probe" 65 "long.csv: row 61: 2400 nucleotides are 603 tokens" x.json "$FINDNA" probe run_bert --train rows.csv --test long.csv --output x.json
expect "of a fine-tuning" 65 "long.csv: row 61: 2400 nucleotides are 603 tokens" "$FINDNA" finetune run_bert --train rows.csv --test long.csv run.folder=bad
check "which leaves no run" test ! -e bad
keeps "windows of variants" 65 "v.csv:2: the window: 900 nucleotides are [0-9]+ tokens" x.tsv "$FINDNA" score run_bert v.csv --genome genome.fa --output x.tsv --scores distance --window 900
keeps "in rows of a search" 65 "long.csv: row 61: 2400 nucleotides are 603 tokens" x.json "$FINDNA" knn run_bert --train rows.csv --test long.csv --output x.json
# Memory for training is planned by the number of words: 600 letters in 6-mers are as many words as 100 letters outside of 6-mers.
for kind in words letters; do awk -v kind=$kind 'BEGIN { srand(3 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 12; i++) { s = ""; for (k = 0; k < (kind == "words" ? 600 : 100); k++) s = s (kind == "words" ? substr("ACGT", 1 + int(rand() * 4), 1) : "N"); print s "," i % 2 } }' >$kind.csv
  "$FINDNA" finetune run --train $kind.csv run.folder=of_$kind train.epochs=1 train.batch=4 train.virtual_ranks=1 >$kind.log 2>&1; done
check "memory is planned by words" test "$(grep -o 'about [0-9]* MB' words.log)" = "$(grep -o 'about [0-9]* MB' letters.log)" -a -n "$(grep -o 'about [0-9]* MB' words.log)"
# BERT over 4-mers with weights of zero, as only the sequences that it accepts matter.
mkdir fours && echo '{"model_type":"bert","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":32,"vocab_size":258,"max_position_embeddings":12}' >fours/config.json
awk 'function t(name, rows, columns) { n = rows * (columns ? columns : 1) * 4; printf "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d%s],\"data_offsets\":[%d,%d]}", at ? "," : "{", name, rows, columns ? "," columns : "", at, at + n; at += n }
  function both(name, rows, columns) { t(name ".weight", rows, columns); t(name ".bias", rows) }
  BEGIN { e = "bert.embeddings."; l = "bert.encoder.layer.0."; t(e "word_embeddings.weight", 258, 16); t(e "position_embeddings.weight", 12, 16); t(e "token_type_embeddings.weight", 2, 16); both(e "LayerNorm", 16)
    both(l "attention.self.query", 16, 16); both(l "attention.self.key", 16, 16); both(l "attention.self.value", 16, 16); both(l "attention.output.dense", 16, 16); both(l "attention.output.LayerNorm", 16)
    both(l "intermediate.dense", 32, 16); both(l "output.dense", 16, 32); both(l "output.LayerNorm", 16); print "}"; print at >"bytes" }' >header
{ printf "\\x$(printf %02x $(($(wc -c <header) % 256)))\\x$(printf %02x $(($(wc -c <header) / 256)))\\0\\0\\0\\0\\0\\0"; cat header; head -c "$(cat bytes)" /dev/zero; } >fours/model.safetensors
expect "BERT over k-mers" 0 "wrote run_fours" "$FINDNA" import fours run_fours
printf '>good\nACGTACGTAC\n>short\nACG\n' >short.fa
keeps "a sequence without a word" 65 "short.fa: sequence short: 3 nucleotides are no word of the model; expected at least 4" x.npy "$FINDNA" embed run_fours short.fa --output x.npy
printf 'sequence,label\nACGTACGT,0\nAC,1\n' >short.csv
expect "a row without one" 65 "short.csv: row 2: 2 nucleotides are no word" "$FINDNA" finetune run_fours --train short.csv run.folder=bad
keeps "without a head there is no likelihood ratio" 64 "there is no likelihood ratio; it has distances: --scores distance" x.tsv "$FINDNA" score run_fours v.csv --genome genome.fa --output x.tsv
keeps "windows that are not whole words" 64 "window 10: the model has words of 4 nucleotides: the last 2 of each window would be in none; expected a multiple of 4" x.h5 "$FINDNA" embed run_fours s.fa --output x.h5 --window 10
keeps "windows of variants that are not" 64 "window 49: the model has words of 4" x.tsv "$FINDNA" score run_fours v.csv --genome genome.fa --output x.tsv --scores distance --window 49
expect "the rest of a sequence is in no word" 0 "wrote rest.tsv" "$FINDNA" embed run_fours s.fa --output rest.tsv --pool positions
check "as in the authors' code" test "$(awk '$1 == "b" { print $2 ":" $3 "+" $4 }' rest.tsv | tr '\n' ' ')" = "1:0+4 2:4+4 3:8+4 "
expect "no [CLS]" 64 "tokenizer has no .CLS. token" "$FINDNA" embed run_fours s.fa --output x.tsv --pool cls
sed -i 's/,"[A-Z]* [A-Z]*"\]}}$/]}}/' run_bert/tokenizer.json
expect "a tokenizer that is not the model's" 65 "not the model's tokenizer" "$FINDNA" embed run_bert s.fa --output x.tsv

# --- fine-tuning
cp bert/tokenizer.json run_bert/
awk 'BEGIN { srand(5 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 200; i++) { s = ""; for (j = 0; j < 40; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); if (i % 2) s = substr(s, 1, 15) "TATAAAGGC" substr(s, 25); print s "," i % 2 } }' >motif.csv
tune="optim.lr=3e-3 train.epochs=8 device.threads=1"
# learned NAME: whether the last fine-tuning is better than chance, which is 50 % with a standard deviation of 3.5
learned() { local accuracy; accuracy=$(awk '/^test / { print $4 }' out.log); check "$1: $accuracy %" test "${accuracy%.*}" -gt 65; }
for model in run run_dnabert run_bert; do
  expect "$model learns a motif" 0 "test " "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=tuned_$model $tune
  learned "on its training rows"
  expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=two_$model $tune
  check "to the same bits" same tuned_$model two_$model
  expect "its head predicts" 0 "wrote task.tsv" "$FINDNA" embed tuned_$model s.fa --output task.tsv --pool task
  expect "exported" 0 "wrote" "$FINDNA" export tuned_$model out_tuned_$model
  expect "imported" 0 "wrote" "$FINDNA" import out_tuned_$model back_$model
  expect "its head predicts" 0 "wrote back.tsv" "$FINDNA" embed back_$model s.fa --output back.tsv --pool task
  check "the same" cmp task.tsv back.tsv
done
expect "NTv1 is fine-tuned" 0 "test " "$FINDNA" finetune run_v1 --train motif.csv --test motif.csv run.folder=tuned_run_v1 $tune train.epochs=6
dropped="${tune/train.epochs=8/train.epochs=6} task.dropout=0.1 task.attention_dropout=0.1 task.head_dropout=0.1"
for model in run run_v1 run_dnabert run_bert; do
  expect "$model learns with dropout" 0 "test " "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=dropped_$model $dropped
  check "differently than without" other dropped_$model tuned_$model
  expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=dropped2_$model $dropped
  check "to the same bits" same dropped_$model dropped2_$model
done
expect "with dropout, interrupted" 75 "" "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=dropped2_run_bert --restart $dropped run.minutes=0.000001
expect "and resumed" 0 "test " "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=dropped2_run_bert $dropped
check "to the same bits" same dropped_run_bert dropped2_run_bert
rm -r two_run_dnabert/ckpt/step_* && expect "interrupted" 75 "" "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=two_run_dnabert --restart $tune run.minutes=0.000001
expect "and resumed" 0 "test " "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=two_run_dnabert $tune
check "to the same bits" same tuned_run_dnabert two_run_dnabert
expect "the mean and [CLS]" 0 "test " "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=both $tune task.features=both
learned "learn a motif"
expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=both2 $tune task.features=both
check "to the same bits" same both both2
expect "their head predicts" 0 "wrote both.tsv" "$FINDNA" embed both s.fa --output both.tsv --pool task
expect "exported and imported" 0 "wrote back_both" bash -c '"$0" export both out_both && "$0" import out_both back_both' "$FINDNA"
expect "their head predicts" 0 "wrote both2.tsv" "$FINDNA" embed back_both s.fa --output both2.tsv --pool task
check "the same" cmp both.tsv both2.tsv
expect "k-mers have no [CLS]" 78 "the tokenizer kmer has no .CLS. token; use tokens" "$FINDNA" finetune run_fours --train motif.csv --test motif.csv run.folder=bad task.features=both
cls="task.features=cls task.hidden=48 task.activation=tanh"
expect "the [CLS] token, and tanh, as published classifiers have" 0 "test " "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=cls $tune $cls
learned "learn a motif"
expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=cls2 $tune $cls
check "to the same bits" same cls cls2
expect "an activation without hidden units" 78 "task.activation has no effect without task.hidden" "$FINDNA" finetune run_bert --train motif.csv run.folder=bad task.activation=tanh
tiny_shards shards
expect "it is pretrained only with loss terms of words" 78 "words have neither the term mnm nor cl" "$FINDNA" pretrain run/ckpt/step_000000000/config.yaml data.shards=shards run.folder=bad

# --- the order of words, which config.json does not say
order() { awk -v letters="$1" 'BEGIN { print "<unk>\n<pad>\n<mask>\n<cls>\n<eos>\n<bos>"; for (i = 0; i < 4096; i++) { s = ""; n = i; for (k = 0; k < 6; k++) { s = substr(letters, 1 + n % 4, 1) s; n = int(n / 4) } print s } print "A\nT\nC\nG\nN" }'; }
cp -r nt ordered && order ATCG >ordered/vocab.txt && expect "a vocabulary in the published order" 0 "wrote run_ordered" "$FINDNA" import ordered run_ordered
order ACGT >ordered/vocab.txt && expect "in another order" 65 "ordered/vocab.txt: the word of id 7 is 'AAAAAC' there and 'AAAAAT' here" "$FINDNA" import ordered bad
rm ordered/vocab.txt && order ACGT | awk 'BEGIN { printf "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{" } { printf "%s\"%s\":%d", (NR > 1 ? "," : ""), $1, NR - 1 } END { print "}}}" }' >ordered/tokenizer.json
expect "in a tokenizer.json" 65 "ordered/tokenizer.json: the word of id 7 is 'AAAAAC' there and 'AAAAAT' here" "$FINDNA" import ordered bad
check "which leaves no run" test ! -e bad
rm ordered/tokenizer.json && order ACGT | awk 'BEGIN { printf "{" } { printf "%s\"%s\":%d", (NR > 1 ? "," : ""), $1, NR - 1 } END { print "}" }' >ordered/vocab.json
expect "in a vocab.json" 65 "ordered/vocab.json: the word of id 7 is 'AAAAAC' there and 'AAAAAT' here" "$FINDNA" import ordered bad
rm ordered/vocab.json && order ATCG | sed 's/<mask>/<cls>/; 4s/<cls>/<mask>/' >ordered/vocab.txt && expect "with two special tokens exchanged" 65 "ordered/vocab.txt: the word of id 2 is '<cls>' there and '<mask>' here" "$FINDNA" import ordered bad
four_mers() { echo "$1"; echo "$2"; for a in A C G T; do for b in A C G T; do for c in A C G T; do for d in A C G T; do echo $a$b$c$d; done; done; done; done; }
four_mers '<MASK>' '<UNK>' >fours/vocab.txt && expect "special tokens in other brackets" 0 "wrote run_brackets" "$FINDNA" import fours run_brackets
check "are the same" same run_fours run_brackets
four_mers '[UNK]' '[MASK]' >fours/vocab.txt && expect "in another order" 65 "fours/vocab.txt: the word of id 0 is '.UNK.' there and '.MASK.' here" "$FINDNA" import fours bad
echo '{"[MASK]": 0, "AAAA": 2, "AAAC": 258}' >fours/vocab.json && rm fours/vocab.txt && expect "a word without an id of the model" 65 "fours/vocab.json: the word of id 258 is 'AAAC' there and '.no word.' here" "$FINDNA" import fours bad
rm fours/vocab.json && sed -i 's/258/261/' fours/config.json && expect "DNABERT's k-mers" 66 "a vocabulary of 261 ids: adjacent k-mers have 4.k . 2, and DNABERT's overlapping ones, 4.k . 5, are not supported" "$FINDNA" import fours bad
check "nothing was written" test ! -e bad

# --- a checkpoint under other names: with a slash at the end, and through links
mkdir -p deep/er && ln -s "$PWD/run/ckpt/step_000000000" deep/er/best && mv run3/ckpt elsewhere && ln -s "$PWD/elsewhere" run3/ckpt
for name in run/ckpt/step_000000000/ run/ckpt//step_000000000/ run/ deep/er/best run3/ckpt/step_000000000/; do
  expect "exported from $name" 0 wrote "$FINDNA" export "$name" out_named
  check "in the published form" grep -aq '"esm.encoder.layer.2.attention.self.query.weight"' out_named/model.safetensors; rm -r out_named
done
expect "byte pairs" 0 "wrote named.tsv" "$FINDNA" embed run_dnabert/ckpt/step_000000000/ s.fa --output named.tsv

# --- pretrained further; the length of k-mers says nothing about other words
cat >further.yaml <<'YAML'
run: {folder: further}
data: {shards: shards}
model: {encoder: nt_v2, channels: 48, hidden: 128, layers: 3, heads: 4, tokenizer: nt6, kmer: 3, vocabulary: 4107, positions: 130, epsilon: 1e-12, lm_head: own}
aug: {student: M, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
train: {batch: 16, virtual_ranks: 4, steps: 2}
YAML
expect "an imported model is pretrained further" 0 "weights taken from run/ckpt" "$FINDNA" pretrain further.yaml --init-from run/
check "which the run records" grep -q '"path": "run/"' further/origin.json
check "beside its config" grep -q "origin.json names" further/config.used.yaml
expect "and exported in the published form" 0 wrote "$FINDNA" export further out_further
check "with the published names" grep -aq '"esm.encoder.layer.2.attention.self.query.weight"' out_further/model.safetensors
rm -r out_further; kept=$(find further -name config.json | head -1)
sed -i 's/"EsmFor[A-Za-z]*"/"EsmForSequenceClassification"/; 0,/{/s//{"id2label": {"0": "no", "1": "yes"}, "problem_type": "single_label_classification", /' "$kept"
expect "of a classifier that lost its head" 0 wrote "$FINDNA" export further out_further
check "config.json names a language model" bash -c 'grep -q "\"EsmForMaskedLM\"" out_further/config.json && ! grep -qE "id2label|problem_type" out_further/config.json'
sed 's/"torch_dtype": "float32"/"torch_dtype": "bfloat16", "dtype": "bfloat16"/' bert/config.json >typed.json && cp -r bert typed && cp typed.json typed/config.json
expect "a model whose config.json has another type than its tensors" 0 wrote "$FINDNA" import typed run_typed
expect "exported" 0 wrote "$FINDNA" export run_typed out_typed
check "config.json has the type of the tensors" test "$(grep -c '"float32"' out_typed/config.json)$(grep -c bfloat16 out_typed/config.json)" = 20
sed 's/"layer_norm_eps": *[0-9.e-]*/"layer_norm_eps": 0/' bert/config.json >typed/config.json
expect "a setting out of range is one of the file" 65 "typed/config.json: model.epsilon" "$FINDNA" import typed bad
cp bert/model.safetensors typed/ && cp bert/config.json typed/ && echo '{"weight_map": {"x": "other.safetensors"}}' >typed/model.safetensors.index.json
expect "one file and an index: the file, as in transformers" 0 "typed/model.safetensors is read, and the index next to it is not" "$FINDNA" import typed run_single
