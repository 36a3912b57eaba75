import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openGguf } from "../../src/hub/gguf";
import { inTemporaryFolder, python } from "./python";

interface Written {
  metadata: Record<string, unknown>;
  tensors: Record<string, { shape: number[]; weights: number[] }>;
}

for (const [version, alignment] of [[3, 32], [2, 64]] as const) {
  test(`metadata and weights of every type are as Python packed them: version ${version}, alignment ${alignment}`, () =>
    inTemporaryFolder((dir) => {
      const file = path.join(dir, "small.gguf");
      const written = python<Written>("make_gguf.py", file, String(version), String(alignment));
      const gguf = openGguf(file);
      assert.deepEqual(Object.fromEntries(gguf.metadata), written.metadata);
      assert.deepEqual([...gguf.tensors.keys()], ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"]);
      for (const [name, { shape, weights }] of Object.entries(written.tensors)) {
        assert.deepEqual(gguf.tensors.get(name)!.shape, shape);
        assert.deepEqual(gguf.readTensor(name), Float32Array.from(weights), name);
      }
      assert.throws(() => gguf.readTensor("absent"), /small\.gguf has no tensor absent/);
    }));
}

test("a damaged file is refused with what is wrong", () =>
  inTemporaryFolder((dir) => {
    const file = path.join(dir, "whole.gguf");
    python("make_gguf.py", file, "3", "32");
    const whole = readFileSync(file);
    const open = (change: (bytes: Buffer) => Buffer | void) => () => {
      const bytes = Buffer.from(whole);
      const damaged = path.join(dir, "damaged.gguf");
      writeFileSync(damaged, change(bytes) ?? bytes);
      return openGguf(damaged);
    };
    assert.throws(open((bytes) => void bytes.write("GGML")), /damaged\.gguf is no GGUF file/);
    assert.throws(open(() => Buffer.alloc(0)), /is no GGUF file/);
    assert.throws(open((bytes) => void bytes.writeUInt32LE(1, 4)), /GGUF version 1; versions 2 and 3/);
    assert.throws(open((bytes) => void bytes.writeUInt32BE(3, 4)), /big-endian/);
    assert.throws(open((bytes) => void bytes.writeBigUInt64LE(2n ** 60n, 8)), /counts 1152921504606846976 entries/);
    assert.throws(open((bytes) => bytes.subarray(0, 200)), /cut short inside its header|can hold/);
    assert.throws(open((bytes) => void bytes.writeUInt32LE(99, 24 + 8 + "general.architecture".length)), /unknown type 99/);
    assert.throws(() => open((bytes) => bytes.subarray(0, bytes.length - 1))().readTensor("q4_1"), /cut short: it ends at byte/);
    const kind = whole.indexOf(Buffer.from("q4_1")) + 4 + 4 + 16;
    assert.throws(() => open((bytes) => void bytes.writeUInt32LE(14, kind))().readTensor("q4_1"), /q4_1 is stored as Q6_K, which is not read here \(F32, F16, Q4_0, Q4_1, Q8_0, BF16 are\)/);
    const columns = whole.indexOf(Buffer.from("q4_1")) + 4 + 4;
    assert.throws(() => open((bytes) => void bytes.writeBigUInt64LE(31n, columns))().readTensor("q4_1"), /rows of q4_1 have 31 weights, not whole Q4_1 blocks/);
  }));
