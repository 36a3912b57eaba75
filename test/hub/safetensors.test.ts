import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../src/hub/half";
import { openSafetensors } from "../../src/hub/safetensors";
import { writeSafetensors } from "../../src/hub/writeSafetensors";
import { inTemporaryFolder, python } from "./python";

interface AsPython {
  metadata: Record<string, string>;
  tensors: Record<string, { dtype: string; shape: number[]; values: number[] }>;
}

test("a file written in Python is read", () =>
  inTemporaryFolder((dir) => {
    const file = path.join(dir, "model.safetensors");
    const written = python<AsPython>("safetensors.py", "write", file);
    const opened = openSafetensors(dir);
    assert.deepEqual(opened.metadata, { format: "pt" });
    for (const [name, { dtype, shape, values }] of Object.entries(written.tensors)) {
      const entry = opened.tensors.get(name)!;
      assert.deepEqual({ dtype: entry.dtype, shape: entry.shape }, { dtype, shape });
      if (["F32", "F16", "BF16"].includes(dtype)) assert.deepEqual(opened.read(name), Float32Array.from(values));
      else assert.throws(() => opened.read(name), new RegExp(`${name} is ${dtype}, not a float`));
    }
    assert.deepEqual(new BigInt64Array(opened.readRaw("longs").buffer as ArrayBuffer), BigInt64Array.of(2n ** 60n, -1n));
    assert.deepEqual(new Int32Array(opened.readRaw("ints").buffer as ArrayBuffer), Int32Array.of(-7));
    assert.deepEqual(opened.readRaw("flags"), Uint8Array.of(1, 0));
    assert.throws(() => opened.read("absent"), /has no tensor absent/);
  }));

test("a file written here is read in Python", () =>
  inTemporaryFolder(async (dir) => {
    const file = path.join(dir, "out.safetensors");
    const values = Float32Array.from({ length: 1001 }, (_, index) => Math.fround(Math.sin(index) * 10 ** ((index % 9) - 4)));
    await writeSafetensors(file, [
      { name: "full", shape: [7, 143], data: values },
      { name: "brain", shape: [1001], dtype: "BF16", data: () => values },
      { name: "half ü", shape: [1001], dtype: "F16", data: async () => values.subarray(0) },
      { name: "part", shape: [2, 2], data: values.subarray(3, 7) },
      { name: "steps", shape: [2], dtype: "I64", data: BigInt64Array.of(-5n, 2n ** 40n) },
      { name: "scalar", shape: [], data: Float32Array.of(0.5) },
      { name: "empty", shape: [0], data: new Float32Array(0) },
    ], { format: "pt", made_by: "test" });
    const read = python<AsPython>("safetensors.py", "read", file);
    assert.deepEqual(read.metadata, { format: "pt", made_by: "test" });
    const expected = {
      full: { dtype: "F32", shape: [7, 143], values: [...values] },
      brain: { dtype: "BF16", shape: [1001], values: [...fromBfloat16(toBfloat16(values))] },
      "half ü": { dtype: "F16", shape: [1001], values: [...fromFloat16(toFloat16(values))] },
      part: { dtype: "F32", shape: [2, 2], values: [...values.subarray(3, 7)] },
      steps: { dtype: "I64", shape: [2], values: [-5, 2 ** 40] },
      scalar: { dtype: "F32", shape: [], values: [0.5] },
      empty: { dtype: "F32", shape: [0], values: [] },
    };
    // JSON has one zero; Python prints -0.0 as such, which is equal but not the same to assert.
    const plain = (record: unknown) => JSON.parse(JSON.stringify(record));
    assert.deepEqual(plain(read.tensors), plain(expected));
    assert.deepEqual(openSafetensors(file).read("full"), values);
  }));

test("a failed write leaves nothing behind and the former file as it was", () =>
  inTemporaryFolder(async (dir) => {
    const file = path.join(dir, "out.safetensors");
    const good = [{ name: "a", shape: [2], data: Float32Array.of(1, 2) }];
    await writeSafetensors(file, good);
    const before = readFileSync(file);
    await assert.rejects(writeSafetensors(file, [...good, { name: "b", shape: [3], data: Float32Array.of(1) }]), /tensor b of shape \[3\] needs 3 values and got 1/);
    await assert.rejects(writeSafetensors(file, [...good, ...good]), /Two tensors to be written are called a/);
    await assert.rejects(writeSafetensors(file, [{ name: "c", shape: [1], dtype: "I64", data: Int32Array.of(1) }]), /came as Int32Array, which is not stored as I64/);
    assert.deepEqual(readFileSync(file), before);
    assert.deepEqual(readdirSync(dir), ["out.safetensors"]);
  }));

test("shards are read through their index", () =>
  inTemporaryFolder(async (dir) => {
    const shard = (number: number) => `model-0000${number}-of-00002.safetensors`;
    await writeSafetensors(path.join(dir, shard(1)), [{ name: "a", shape: [1], data: Float32Array.of(1) }]);
    await writeSafetensors(path.join(dir, shard(2)), [{ name: "b", shape: [2], dtype: "BF16", data: Float32Array.of(2, 3) }]);
    const index = path.join(dir, "model.safetensors.index.json");
    const writeIndex = (weightMap: object) => writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: weightMap }));
    writeIndex({ a: shard(1), b: shard(2) });
    const opened = openSafetensors(dir);
    assert.deepEqual([...opened.read("a"), ...opened.read("b")], [1, 2, 3]);
    assert.equal(opened.files.length, 2);
    writeIndex({ a: shard(1), b: shard(1) });
    assert.throws(() => openSafetensors(dir), /says that b is in model-00001-of-00002.safetensors, but it is not/);
    writeIndex({ a: shard(1), b: "model-00003.safetensors" });
    assert.throws(() => openSafetensors(dir), /lacks the shard model-00003.safetensors/);
    writeIndex({ a: "../elsewhere.safetensors" });
    assert.throws(() => openSafetensors(dir), /outside its folder/);
  }));

test("a damaged file is refused with what is wrong", () =>
  inTemporaryFolder((dir) => {
    const file = path.join(dir, "bad.safetensors");
    const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] });
    const opening = (header: object | string, dataBytes: number, claimed?: bigint) => () => {
      const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(claimed ?? BigInt(text.length));
      writeFileSync(file, Buffer.concat([length, text, Buffer.alloc(dataBytes)]));
      return openSafetensors(file);
    };
    assert.doesNotThrow(opening({ a: entry("F32", [2], 0, 8) }, 8));
    assert.throws(opening({ a: entry("F32", [2], 0, 8), b: entry("F32", [1], 4, 8) }, 8), /tensor b overlaps the one before it/);
    assert.throws(opening({ a: entry("F32", [2], 0, 8), b: entry("F32", [1], 12, 16) }, 16), /tensor b leaves a gap of 4 bytes/);
    assert.throws(opening({ a: entry("F32", [2], 0, 8) }, 7), /cut short: its tensors end at byte/);
    assert.throws(opening({ a: entry("F32", [2], 0, 8) }, 9), /1 bytes after its last tensor/);
    assert.throws(opening({ a: entry("F32", [3], 0, 8) }, 8), /of shape \[3\] and dtype F32 needs 12 bytes, but its data_offsets span 8/);
    assert.throws(opening({ a: entry("F8_E4M3", [2], 0, 2) }, 2), /dtype "F8_E4M3"; known are/);
    assert.throws(opening({ a: entry("F32", [-2], 0, 8) }, 8), /the shape \[-2\]/);
    assert.throws(opening({ a: entry("F32", [2], 8, 0) }, 8), /data_offsets \[8,0\]/);
    assert.throws(opening({ a: null }, 8), /the dtype undefined/);
    assert.throws(opening("{", 0), /header is no JSON/);
    assert.throws(opening("{}", 0, 2n ** 40n), /header would take 1099511627776 bytes/);
    writeFileSync(file, "PK");
    assert.throws(() => openSafetensors(file), /it has 2 bytes/);
    assert.throws(() => openSafetensors(dir), /neither model.safetensors nor/);
    assert.ok(existsSync(file));
  }));
