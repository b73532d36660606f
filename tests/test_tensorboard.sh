#!/usr/bin/env bash
# TensorBoard's event files, read back by an independent decoder of the format.
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "skipped - TensorBoard events: no python3 to read the file"; exit 0; }
tiny_shards shards
ranks 2 pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
expect "events" 0 "wrote run/tensorboard/events" "$FINDNA" report run --tensorboard
cat >read.py <<'PY'
import json, math, struct, sys

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

def check(data, sum):
    crc = crc32c(data)
    assert ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF == sum, "checksum"

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at

def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack("<d", data[at:at + 8])[0], at + 8
        elif key & 7 == 5:
            value, at = struct.unpack("<f", data[at:at + 4])[0], at + 4
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        yield key >> 3, value

data, at, found, times, steps, records = open(sys.argv[1], "rb").read(), 0, {}, [], [], 0
while at < len(data):
    head, (length, sum) = data[at:at + 8], struct.unpack("<QI", data[at:at + 12])
    check(head, sum)
    body = data[at + 12:at + 12 + length]
    check(body, struct.unpack("<I", data[at + 12 + length:at + 16 + length])[0])
    at += 16 + length
    event = dict(fields(body))
    times.append(event[1])
    if records == 0:
        assert event[3] == b"brain.Event:2" and 5 not in event
    records += 1
    for field, value in fields(event.get(5, b"")):
        value = dict(fields(value))
        found.setdefault(value[1].decode(), []).append((event[2], value[2]))
        steps.append(event[2])
expected = {}
for line in open(sys.argv[2]):
    line = json.loads(line)
    kind = "rank_%d" % line["rank"] if line["kind"] == "rank" else line["kind"]
    for name, value in line.items():
        if line["kind"] != "context" and name not in ("kind", "step") and value is not None:
            expected.setdefault(kind + "/" + name, []).append((line["step"], struct.unpack("f", struct.pack("f", value))[0]))
assert found == expected, (found.keys(), expected.keys())
assert "eval/student_loss" in found and "step/loss" in found
assert times == sorted(times) and steps == sorted(steps)
assert 1.7e9 < times[0] <= times[-1] < times[0] + 3600
print(records, "records,", len(found), "tags: good")
PY
expect "exactly the numbers of metrics.jsonl are read back" 0 "tags: good" python3 read.py run/tensorboard/events.out.tfevents.0.findna run/metrics.jsonl
printf '\001' | dd of=run/tensorboard/events.out.tfevents.0.findna bs=1 seek=100 conv=notrunc 2>/dev/null
expect "the decoder detects a flipped byte" 1 "checksum" python3 read.py run/tensorboard/events.out.tfevents.0.findna run/metrics.jsonl
