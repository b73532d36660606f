"""Converts a published model in PyTorch's .bin or .pt to a folder for `findna import`: Nucleotide Transformer, DNABERT-2, BERT.

    convert_hf.py SOURCE FOLDER [--config config.json] [--key model]

SOURCE is a folder with pytorch_model.bin, or with several files and pytorch_model.bin.index.json, or a single file (.bin, .pt, .pth, .ckpt). FOLDER
gets model.safetensors, with the tensors under their names and in their types, config.json, and the tokenizer's files from the folder of SOURCE.
--config names the config.json, if there is none in the folder of SOURCE and the file contains no dictionary bert_config or config. --key names the
entry of the file that contains the weights (default: state_dict, model, model_state_dict, or the file itself). A prefix "module." of all names is
removed. Only tensors and plain values are loaded, never code.
"""
import argparse
import ctypes
import json
import os
import shutil
import sys

import torch

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64", torch.int32: "I32",
         torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
KEYS = ["state_dict", "model", "model_state_dict"]
BESIDE = (".json", ".txt", ".py", ".md")


def fail(text):
    sys.exit("convert_hf.py: " + text)


def load(path):
    with open(path, "rb") as file:
        if file.read(16) == b"version https://":
            fail(f"{path}: is a pointer of Git LFS, not the file; get it with 'git lfs pull'")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever is wrong with an untrusted file is reported in one line
        fail(f"{path}: {str(error).splitlines()[0]}")


def files_of(source):
    """The files with weights, and their folder."""
    if not os.path.isdir(source):
        return [source], os.path.dirname(source) or "."
    index = os.path.join(source, "pytorch_model.bin.index.json")
    if not os.path.exists(index):
        return [os.path.join(source, "pytorch_model.bin")], source
    with open(index) as file:
        names = sorted(set(json.load(file)["weight_map"].values()))
    if any("/" in name for name in names):
        fail(f"{index}: names a file in another folder")
    return [os.path.join(source, name) for name in names], source


def tensors_of(path, state, key):
    """The dictionary of tensors in the content of a file."""
    if not isinstance(state, dict):
        fail(f"{path}: does not contain a dictionary of tensors")
    if key and key not in state:
        fail(f"{path}: no entry '{key}'; it has {', '.join(map(str, list(state)[:8]))}")
    for name in [key] if key else KEYS:
        if isinstance(state.get(name), dict):
            state = state[name]
            break
    tensors = {name: value for name, value in state.items() if torch.is_tensor(value)}
    if not tensors:
        fail(f"{path}: holds no tensors; name the entry that does with --key: {', '.join(map(str, list(state)[:8]))}")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module."):]: value for name, value in tensors.items()}
    return tensors


def write_safetensors(path, tensors):
    for name, value in tensors.items():
        if value.dtype not in TYPES:
            fail(f"tensor '{name}' is {value.dtype}, a type that safetensors does not have")
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # all are aligned to their types
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name in names:
        size = tensors[name].numel() * tensors[name].element_size()
        header[name] = {"dtype": TYPES[tensors[name].dtype], "shape": list(tensors[name].shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            value = tensors[name].detach().contiguous()
            size = value.numel() * value.element_size()
            if size:  # in one piece: bytes() of a storage takes it byte by byte
                file.write((ctypes.c_char * size).from_address(value.data_ptr()))


def config_of(args, folder, first):
    """The content for config.json: a path or a dictionary."""
    beside = args.config or os.path.join(folder, "config.json")
    if args.config or os.path.exists(beside):
        return beside
    for key in ("bert_config", "config"):
        if isinstance(first, dict) and isinstance(first.get(key), dict):
            return {"model_type": "bert", **first[key]}
    fail(f"{beside}: not found, and the file has no dictionary bert_config: name it with --config")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("folder")
    parser.add_argument("--config", help="the model's config.json")
    parser.add_argument("--key", help="the entry of the file that contains the weights")
    args = parser.parse_args()
    if os.path.exists(args.folder):
        fail(f"{args.folder}: exists already; give the name of a new folder")
    paths, folder = files_of(args.source)
    tensors, first = {}, None
    for path in paths:
        if not os.path.exists(path):
            fail(f"{path}: no such file")
        state = load(path)
        first = state if first is None else first
        for name, value in tensors_of(path, state, args.key).items():
            if name in tensors:
                fail(f"{path}: tensor '{name}' occurs in two files")
            tensors[name] = value
    config = config_of(args, folder, first)
    os.makedirs(args.folder)
    write_safetensors(os.path.join(args.folder, "model.safetensors"), tensors)
    for name in sorted(os.listdir(folder)):
        if name.endswith(BESIDE) and name != "config.json" and not name.endswith(".index.json") and os.path.isfile(os.path.join(folder, name)):
            shutil.copyfile(os.path.join(folder, name), os.path.join(args.folder, name))
    target = os.path.join(args.folder, "config.json")
    if isinstance(config, str):
        shutil.copyfile(config, target)
    else:
        with open(target, "w") as file:
            json.dump(config, file, indent=2)
    print(f"{len(tensors)} tensors -> {args.folder}; next: findna import {args.folder} RUN")


if __name__ == "__main__":
    main()
