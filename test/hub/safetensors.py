"""An independent reader and writer of safetensors, standard library only.
`read FILE` prints header metadata and tensors; `write FILE` writes a file with every dtype and prints the same."""
import json
import math
import struct
import sys

CODES = {"F32": "f", "F16": "e", "F64": "d", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B", "BOOL": "?"}


def unpack(dtype, raw):
    if dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + raw[i:i + 2])[0] for i in range(0, len(raw), 2)]
    size = struct.calcsize("<" + CODES[dtype])
    return list(struct.unpack(f"<{len(raw) // size}{CODES[dtype]}", raw))


def read(path):
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack("<Q", raw[:8])
    assert length % 8 == 0, "the header is padded to eight bytes"
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = unpack(entry["dtype"], raw[8 + length + begin:8 + length + end])
        assert len(values) == math.prod(entry["shape"])
        tensors[name] = {"dtype": entry["dtype"], "shape": entry["shape"], "values": values}
    return {"metadata": metadata, "tensors": tensors}


def write(path):
    contents = {
        "floats": ("F32", [2, 3], struct.pack("<6f", 1, -2.5, 3e-40, 1e38, 0, -1)),
        "halves": ("F16", [3], struct.pack("<3e", 0.1, -65504, 6e-8)),
        "brains": ("BF16", [2, 1], struct.pack("<2H", 0x3F80, 0xC049)),
        "longs": ("I64", [2], struct.pack("<2q", 2**60, -1)),
        "ints": ("I32", [], struct.pack("<i", -7)),
        "bytes": ("U8", [4], bytes([0, 1, 254, 255])),
        "flags": ("BOOL", [2], bytes([1, 0])),
        "none": ("F32", [0, 5], b""),
    }
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, shape, raw) in contents.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


if sys.argv[1] == "write":
    write(sys.argv[2])
print(json.dumps(read(sys.argv[2])))
