"""Converts a PyTorch checkpoint of a ChordMixer model to a folder for `findna import`.

    convert_pt.py checkpoint.pt FOLDER --window 1000 --networks 4 --track 28 [--key Teacher] [--cls 10] [--order ACGTN]

Names differ from code to code, so tensors are matched by shape, in the order of the file: the embedding [channels, 5], then for each
block the two layers [hidden, channels] and [channels, hidden], finally the head [5, channels]; each with its bias. The matches are
printed. --key names the entry of the file that contains the weights (default: "Teacher", if there is one); --order is the order of the
letters in the embedding, which findna's files have as A, C, G, T, N. Only tensors are loaded, never code.
"""
import argparse
import ctypes
import json
import os

import torch

OURS = "ACGTN"


def weights_of(path, key):
    """The dictionary of tensors in the file, a level or two down."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name in [key] if key else ["Teacher", "MODEL_STATE", "state_dict", "model"]:
        if name in state:
            state = state[name]
            break
    else:
        if key:
            raise SystemExit(f"{path}: no entry '{key}'; it has {', '.join(map(str, list(state)[:8]))}")
    tensors = [(name, value.float()) for name, value in state.items() if torch.is_tensor(value) and value.dim() in (1, 2)]
    if not tensors:
        raise SystemExit(f"{path}: contains no weights; name the entry with --key: {', '.join(map(str, list(state)[:8]))}")
    return tensors


def pair_up(tensors):
    """Weights with the bias that follows each: [(name, weight, bias)]."""
    layers = []
    for (name, weight), (other, bias) in zip(tensors, tensors[1:]):
        if weight.dim() == 2 and bias.dim() == 1 and bias.shape[0] == weight.shape[0]:
            layers.append((name, weight, bias))
    return layers


def take(layers, networks):
    """Maps findna's names to the layers; refuses shapes that do not fit."""
    letters = len(OURS)
    first = next((i for i, (_, w, _) in enumerate(layers) if w.shape[1] == letters), None)
    last = next((i for i, (_, w, _) in reversed(list(enumerate(layers))) if w.shape[0] == letters), None)
    if first is None or last is None or (last - first - 1) % (2 * networks):
        raise SystemExit(f"expected an embedding [channels, 5], pairs of layers for {networks} networks and a head [5, channels]; found: "
                         + ", ".join(f"{name} {list(w.shape)}" for name, w, _ in layers))
    channels, hidden = layers[first][1].shape[0], layers[first + 1][1].shape[0]
    blocks = (last - first - 1) // (2 * networks)
    names = ["embedding"] + [f"encoder.{n}.{b}.{fc}" for n in range(networks) for b in range(blocks) for fc in ("fc1", "fc2")] + ["head"]
    for ours, (name, weight, _) in zip(names, layers[first : last + 1]):
        want = {"embedding": [channels, letters], "head": [letters, channels], "fc1": [hidden, channels], "fc2": [channels, hidden]}
        if list(weight.shape) != want[ours.rsplit(".", 1)[-1]]:
            raise SystemExit(f"{name} has the shape {list(weight.shape)}, expected {want[ours.rsplit('.', 1)[-1]]} for {ours}")
        print(f"{name:48} -> {ours}")
    return dict(zip(names, layers[first : last + 1])), dict(channels=channels, hidden=hidden, blocks=blocks)


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, value in tensors.items():
        size = value.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            value = value.contiguous()
            file.write((ctypes.c_char * (value.numel() * 4)).from_address(value.data_ptr()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    parser.add_argument("--window", type=int, required=True, help="length of a pretraining window in nucleotides")
    parser.add_argument("--networks", type=int, required=True)
    parser.add_argument("--track", type=int, required=True, help="channels per track")
    parser.add_argument("--cls", type=int, default=10)
    parser.add_argument("--mnm", choices=["ce", "bce"], default="ce", help="masked-nucleotide loss used in pretraining (FinDNA authors' code: bce)")
    parser.add_argument("--mnm-tau", type=float, default=1.0, help="temperature of its logits (FinDNA authors' code: 0.1)")
    parser.add_argument("--key")
    parser.add_argument("--order", default=OURS, help="order of the letters in the embedding's columns")
    args = parser.parse_args()
    if sorted(args.order) != sorted(OURS):
        raise SystemExit(f"--order {args.order}: expected the letters {OURS} in some order")
    layers, shape = take(pair_up(weights_of(args.checkpoint, args.key)), args.networks)
    order = [args.order.index(letter) for letter in OURS]
    tensors = {}
    for name, (_, weight, bias) in layers.items():
        tensors[name + ".weight"] = (weight[:, order] if name == "embedding" else weight[order] if name == "head" else weight).clone()
        tensors[name + ".bias"] = (bias[order] if name == "head" else bias).clone()
    os.makedirs(args.folder)
    write_safetensors(os.path.join(args.folder, "model.safetensors"), tensors)
    config = dict(format="findna-model 1", model_type="findna", encoder="chordmixer", alphabet=OURS, track=args.track,
                  networks=args.networks, cls=args.cls, window=args.window, mnm=args.mnm, mnm_tau=args.mnm_tau, **shape)
    with open(os.path.join(args.folder, "config.json"), "w") as file:
        json.dump(config, file, indent=2)


if __name__ == "__main__":
    main()
