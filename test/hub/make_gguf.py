"""Writes a small GGUF file with every tensor type that is read, and prints its metadata and the weights as an
independent decoder (struct's own half floats, one weight at a time) sees them. Standard library only."""
import json
import random
import struct
import sys

path, version, alignment = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(version * 100 + alignment)


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def value(kind, content):
    if kind == 8:
        return string(content)
    if kind == 9:
        inner, items = content
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, item) for item in items)
    return struct.pack(SCALARS[kind], content)


metadata = [
    ("general.architecture", 8, "test"), ("general.alignment", 4, alignment), ("u8", 0, 200), ("i8", 1, -100), ("u16", 2, 60000),
    ("i16", 3, -30000), ("u32", 4, 4000000000), ("i32", 5, -2000000000), ("f32", 6, 0.5), ("yes", 7, True), ("no", 7, False),
    ("u64", 10, 2**53 - 1), ("i64", 11, -(2**40)), ("f64", 12, 1e-300), ("text", 8, "naïve 😀"), ("empty", 8, ""),
    ("strings", 9, (8, ["a", "", "ü"])), ("numbers", 9, (5, [1, -2, 3])), ("nested", 9, (9, [(4, [1, 2]), (4, [])])), ("long", 9, (8, ["x" * 50] * 100000)),
]


def half():
    return random.choice([random.randbytes(1) + bytes([random.randrange(0x7C)]), random.randbytes(1) + bytes([0x80 + random.randrange(0x7C)])])


def halves(raw):
    return struct.unpack("<e", raw)[0]


def block(kind):
    """One block's bytes and the 32 weights in it."""
    scale, minimum = half(), half()
    if kind == 8:
        quants = [random.randrange(-128, 128) for _ in range(32)]
        return scale + struct.pack("<32b", *quants), [single(halves(scale) * q) for q in quants]
    quants = [random.randrange(16) for _ in range(32)]
    packed = bytes(quants[i] | (quants[i + 16] << 4) for i in range(16))
    if kind == 2:
        return scale + packed, [single(halves(scale) * (q - 8)) for q in quants]
    return scale + minimum + packed, [single(single(halves(scale) * q) + halves(minimum)) for q in quants]


def tensor(kind, count):
    if kind == 0:
        numbers = [single(random.gauss(0, 1)) for _ in range(count)]
        return struct.pack(f"<{count}f", *numbers), numbers
    if kind == 1:
        raw = b"".join(half() for _ in range(count))
        return raw, list(struct.unpack(f"<{count}e", raw))
    if kind == 30:
        raw = b"".join(random.randbytes(1) + bytes([random.choice([0x3F, 0xBF, 0x40, 0x00, 0x80])]) for _ in range(count))
        return raw, [struct.unpack("<f", b"\0\0" + raw[i:i + 2])[0] for i in range(0, 2 * count, 2)]
    blocks = [block(kind) for _ in range(count // 32)]
    return b"".join(raw for raw, _ in blocks), [weight for _, weights in blocks for weight in weights]


shapes = {"f32": (0, [3, 5]), "f16": (1, [7]), "bf16": (30, [2, 3, 4]), "q8_0": (8, [4, 64]), "q4_0": (2, [3, 96]), "q4_1": (3, [5, 32])}
infos, data, expected = b"", b"", {}
for name, (kind, shape) in shapes.items():
    count = 1
    for size in shape:
        count *= size
    raw, weights = tensor(kind, count)
    data += b"\0" * (-len(data) % alignment)
    infos += string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape)) + struct.pack("<IQ", kind, len(data))
    data += raw
    expected[name] = {"shape": shape, "weights": weights}

header = b"GGUF" + struct.pack("<IQQ", version, len(shapes), len(metadata))
header += b"".join(string(key) + struct.pack("<I", kind) + value(kind, content) for key, kind, content in metadata) + infos
with open(path, "wb") as file:
    file.write(header + b"\0" * (-len(header) % alignment) + data)


def plain(kind, content):
    return [plain(content[0], item) for item in content[1]] if kind == 9 else content


print(json.dumps({"metadata": {key: plain(kind, content) for key, kind, content in metadata}, "tensors": expected}))
