#!/usr/bin/env python3
"""Makes the small data files of this folder from the complete ones, for whoever wants to check or change them.

    make_slices.py CHR20.2bit GUE_prom.tar.xz

CHR20.2bit is human chromosome 20 in GRCh38 coordinates; GUE_prom.tar.xz holds prom_core_notata/{train,test}.csv of the GUE
benchmark. Needs only Python 3; findna itself needs no Python.
"""
import csv, hashlib, io, lzma, struct, sys, tarfile

FIRST, LAST = 10_000_001, 18_000_000  # 1-based, inclusive
TRAIN_ROWS = 8_000


def read_2bit(path):
    """Name, length, runs of N and packed bases of the first sequence of a file."""
    data = open(path, "rb").read()
    signature, _, count, _ = struct.unpack_from("<4I", data)
    assert signature == 0x1A412743 and count >= 1
    size = data[16]
    name = data[17:17 + size].decode()
    at, = struct.unpack_from("<I", data, 17 + size)
    length, runs = struct.unpack_from("<2I", data, at)
    starts = struct.unpack_from("<%dI" % runs, data, at + 8)
    sizes = struct.unpack_from("<%dI" % runs, data, at + 8 + 4 * runs)
    at += 8 + 8 * runs
    masks, = struct.unpack_from("<I", data, at)
    at += 4 + 8 * masks + 4
    return name, length, list(zip(starts, sizes)), data[at:at + (length + 3) // 4]


def slice_2bit(path, out):
    name, length, runs, packed = read_2bit(path)
    begin, end = FIRST - 1, LAST
    assert end <= length and begin % 4 == 0 and end % 4 == 0
    runs = [(max(s, begin) - begin, min(s + n, end) - begin) for s, n in runs if s < end and s + n > begin]
    title = ("%s:%d-%d" % (name, FIRST, LAST)).encode()
    body = struct.pack("<2I", end - begin, len(runs))
    body += struct.pack("<%dI" % len(runs), *[s for s, _ in runs]) + struct.pack("<%dI" % len(runs), *[e - s for s, e in runs])
    body += struct.pack("<2I", 0, 0) + packed[begin // 4:end // 4]
    head = struct.pack("<4I", 0x1A412743, 0, 1, 0) + bytes([len(title)]) + title
    open(out, "wb").write(head + struct.pack("<I", len(head) + 4) + body)
    print(out, title.decode(), "N:", sum(e - s for s, e in runs))


def rows_of(archive, member):
    with tarfile.open(archive) as tar:
        name = next(n for n in tar.getnames() if n.endswith(member))
        return list(csv.DictReader(io.TextIOWrapper(tar.extractfile(name))))


def write_rows(path, rows):
    text = "sequence\tlabel\n" + "".join("%s\t%s\n" % (r["sequence"], r["label"]) for r in rows)
    open(path, "wb").write(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(path, len(rows), "rows")


def main():
    slice_2bit(sys.argv[1], "human_chr20_slice.2bit")
    train, test = rows_of(sys.argv[2], "prom_core_notata/train.csv"), rows_of(sys.argv[2], "prom_core_notata/test.csv")
    # The rows whose sequences have the lowest hashes, in the file's order: a reproducible random choice.
    digest = lambda r: hashlib.sha256(r["sequence"].encode()).digest()
    limit = sorted(digest(r) for r in train)[TRAIN_ROWS - 1]
    write_rows("prom_core_notata.train.tsv.xz", [r for r in train if digest(r) <= limit][:TRAIN_ROWS])
    write_rows("prom_core_notata.test.tsv.xz", test)


main()
