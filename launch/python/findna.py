"""Embeddings and tokens of DNA sequences with a model of findna, as NumPy arrays.

    import findna
    x = findna.embed(["ACGTTGCA", "GGCATTTA"], model="runs/first")   # float32 [2, channels], bit-identical to `findna embed`
    ids = findna.tokenize(["ACGTTGCA"], model="runs/nt")             # a list of int32 arrays

    with findna.Model("runs/first", threads=4) as m:                  # for many calls: the model is opened once
        x = m.embed(sequences, pool="cls", both_strands=True)

A single file on top of ctypes, which needs NumPy and libfindna.so.1. `make install` puts the library into PREFIX/lib, `make` next to the
program. The library is searched for in $FINDNA_LIBRARY, near this file, and in the search path of the system's loader. Errors of the
library raise findna.Error with its message and .code, the exit code of `findna embed`. For threads and errors in detail see findna.h."""

import ctypes
import os

import numpy

__all__ = ["Error", "Model", "embed", "tokenize", "version"]
_POOLS = {"tokens": 0, "cls": 1, "both": 2, "max": 3, "task": 5}
_text, _int32, _int64 = ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("threads", _int64), ("device", _text), ("simd", _text), ("precision", _text), ("encoder", _text)]


class _Pooling(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("window", _int64), ("stride", _int64), ("pool", _int32), ("both_strands", _int32)]


class _Description(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("window", _int64), ("channels", _int32), ("outputs", _int32), ("vocabulary", _int32),
                ("cls", _int32), ("encoder", ctypes.c_char * 16), ("state_id", ctypes.c_char * 72)]


_TOKEN = numpy.dtype([("id", numpy.int32), ("first", numpy.int32), ("length", numpy.int32)])


class Error(RuntimeError):
    """An error of the library, with its message; code: the exit code of `findna embed` for this error."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def _load():
    name = "libfindna.so.1"
    here = os.path.dirname(os.path.abspath(__file__))
    near = [os.path.join(here, "../../../lib", name),  # PREFIX/share/findna/python
            os.path.join(os.path.dirname(os.path.realpath(os.path.join(here, "../../findna"))), name)]  # launch/python
    named = os.environ.get("FINDNA_LIBRARY")
    found = named or next((path for path in near if os.path.exists(path)), name)
    try:
        library = ctypes.CDLL(found)
    except OSError as error:
        raise ImportError(f"findna needs {name}: {error}; run make, or name the file in FINDNA_LIBRARY") from None
    model = ctypes.c_void_p
    for function, result, arguments in (
            ("findna_open", ctypes.c_int, [ctypes.POINTER(model), _text, ctypes.POINTER(_Options)]),
            ("findna_close", None, [model]),
            ("findna_describe", ctypes.c_int, [model, ctypes.POINTER(_Description)]),
            ("findna_embed", ctypes.c_int, [model, ctypes.POINTER(_text), ctypes.POINTER(_int64), _int64, ctypes.POINTER(_Pooling), ctypes.c_void_p]),
            ("findna_tokenize", ctypes.c_int, [model, _text, _int64, ctypes.c_void_p, _int64, ctypes.POINTER(_int64)]),
            ("findna_token_text", ctypes.c_int, [model, _int32, ctypes.c_char_p]),
            ("findna_message", _text, []),
            ("findna_version", _text, [])):
        symbol = getattr(library, function)
        symbol.restype, symbol.argtypes = result, arguments
    return library


_library = _load()


def _check(code):
    if code:
        raise Error(code, _library.findna_message().decode())


def _bytes(sequences):
    if isinstance(sequences, (str, bytes)):
        raise TypeError("expected a list of sequences, not a single sequence: [sequence]")
    return [s.encode() if isinstance(s, str) else bytes(s) for s in sequences]


class Model:
    """An open run folder or checkpoint folder. device, simd, precision, encoder and threads are options of `findna embed`. Attributes:
    channels, outputs (of a fine-tuned head, else 0), vocabulary, window, encoder, state_id."""

    def __init__(self, path, *, device=None, simd=None, precision=None, encoder=None, threads=0):
        self._model = ctypes.c_void_p()
        words = [word and word.encode() for word in (device, simd, precision, encoder)]
        options = _Options(ctypes.sizeof(_Options), threads, *words)
        _check(_library.findna_open(ctypes.byref(self._model), os.fsencode(os.path.expanduser(path)), ctypes.byref(options)))
        d = _Description(ctypes.sizeof(_Description))
        _check(_library.findna_describe(self._model, ctypes.byref(d)))
        self.channels, self.outputs, self.vocabulary, self.window = d.channels, d.outputs, d.vocabulary, d.window
        self.encoder, self.state_id = d.encoder.decode(), d.state_id.decode()

    def _open(self):
        if not self._model:
            raise ValueError("this model is closed")
        return self._model

    def embed(self, sequences, *, pool="tokens", both_strands=False, window=-1, stride=0):
        """Returns float32 [sequences, width], one row per sequence. pool: tokens, cls, both, max, or task (the prediction of a fine-tuned
        head). window: longer sequences are cut into windows of this many nucleotides, `stride` apart (0: half a window); -1: as in
        pretraining, 0: never."""
        model, sequences = self._open(), _bytes(sequences)
        if pool not in _POOLS:
            raise ValueError(f"pool is {pool!r}; expected one of {', '.join(_POOLS)}")
        width = {"task": self.outputs, "both": 2 * self.channels}.get(pool, self.channels)
        out = numpy.zeros((len(sequences), width), numpy.float32)
        how = _Pooling(ctypes.sizeof(_Pooling), window, stride, _POOLS[pool], both_strands)
        lengths = (_int64 * len(sequences))(*map(len, sequences))
        _check(_library.findna_embed(model, (_text * len(sequences))(*sequences), lengths, len(sequences), ctypes.byref(how), out.ctypes.data))
        return out

    def tokens(self, sequence):
        """Returns the tokens of one sequence: a structured array of id, first (nucleotide, from 0) and length (0 for special tokens)."""
        (sequence,), count = _bytes([sequence]), _int64()
        model = self._open()
        _check(_library.findna_tokenize(model, sequence, len(sequence), None, 0, ctypes.byref(count)))
        out = numpy.zeros(count.value, _TOKEN)
        _check(_library.findna_tokenize(model, sequence, len(sequence), out.ctypes.data, count.value, ctypes.byref(count)))
        return out

    def tokenize(self, sequences):
        """Returns the token ids of each sequence: a list of int32 arrays. For a model over letters, A, C, G, T, N are 0 to 4."""
        return [numpy.ascontiguousarray(self.tokens(sequence)["id"]) for sequence in _bytes(sequences)]

    def text(self, token):
        """Returns the letters of a token, or the name of a special token."""
        text = ctypes.create_string_buffer(256)
        _check(_library.findna_token_text(self._open(), int(token), text))
        return text.value.decode()

    def close(self):
        model, self._model = self._model, ctypes.c_void_p()
        _library.findna_close(model)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_model", None):
            self.close()


def embed(sequences, model, **how):
    """Calls Model.embed of a Model, or of a folder that is opened for this call; further arguments are those of Model.embed."""
    if isinstance(model, Model):
        return model.embed(sequences, **how)
    with Model(model) as opened:
        return opened.embed(sequences, **how)


def tokenize(sequences, model):
    """Calls Model.tokenize of a Model, or of a folder that is opened for this call."""
    if isinstance(model, Model):
        return model.tokenize(sequences)
    with Model(model) as opened:
        return opened.tokenize(sequences)


def version():
    """Returns the version of the library."""
    return _library.findna_version().decode()
