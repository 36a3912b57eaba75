import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

test("the peers' environment is ready behind a link too, and not when it was moved or made from other requirements", async () => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  const { fingerprint } = (await import("../../scripts/setup/paths.mjs" as string)) as { fingerprint(of: { files: string[]; texts: string[] }): string };
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "alignlab-peer-")));
  try {
    const [own, linked] = ["own", "linked"].map((name) => peerPaths(path.join(folder, name))) as [ReturnType<typeof peerPaths>, ReturnType<typeof peerPaths>];
    for (const { requirements } of [own, linked]) {
      mkdirSync(path.dirname(requirements), { recursive: true });
      writeFileSync(requirements, "torch==2.15.0\n");
    }
    assert.deepEqual([peerReady(own), peerReady(linked)], [false, false]);
    mkdirSync(path.dirname(own.python), { recursive: true });
    writeFileSync(own.python, "");
    mkdirSync(path.dirname(own.stamp), { recursive: true });
    writeFileSync(own.stamp, JSON.stringify({ fingerprint: fingerprint({ files: [own.requirements], texts: [own.venv] }) }));
    symlinkSync(own.venv, linked.venv);
    assert.deepEqual([peerReady(own), peerReady(linked)], [true, true]);
    writeFileSync(linked.requirements, "torch==2.14.0\n");
    assert.deepEqual([peerReady(own), peerReady(linked)], [true, false]);
    cpSync(own.requirements, linked.requirements);
    assert.equal(readFileSync(linked.requirements, "utf8"), "torch==2.15.0\n");
    rmSync(linked.venv);
    renameSync(own.venv, linked.venv);
    assert.deepEqual([peerReady(own), peerReady(linked)], [false, false]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
