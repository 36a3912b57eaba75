import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { busySecondsOf, BUSY_ABOVE, othersShare, peakBytes, peakBytesOf, processSeconds, processSecondsOf } from "../../bench/busy";

test("seconds in use leave out idling and waiting for disks, and count stolen time", () => {
  assert.equal(busySecondsOf("cpu  1000 200 300 99999 88888 10 20 70 5 5\ncpu0 1 1 1 1 1 1 1 1 0 0\n"), 16);
});

test("a process's seconds are found behind any name", () => {
  assert.equal(processSecondsOf("42 (a) b (c d) R 1 42 42 0 -1 4194560 100 0 0 0 250 50 30 20 20 0 3 0 100 1000 10\n"), 3.5);
});

test("the kernel's own figures of this process are read and grow with work", () => {
  const before = processSeconds(process.pid);
  const until = process.cpuUsage().user + 300_000;
  while (process.cpuUsage().user < until) Math.sqrt(until);
  const spent = processSeconds(process.pid) - before;
  assert.ok(spent >= 0.2 && spent < 5, `${spent} s`);
});

test("peak memory is the high-water mark: it stays when memory is given back", async () => {
  assert.equal(peakBytesOf("Name:\tnode\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n"), 2048 * 1024);
  const child = spawn(process.execPath, ["--expose-gc", "-e", `
    let block = Buffer.alloc(300e6, 1); block = null; gc(); console.log("done"); process.stdin.resume();`], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await once(child.stdout!, "data");
    assert.ok(peakBytes(child.pid!) > 300e6);
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1]) * 1024;
    assert.ok(resident <= peakBytes(child.pid!));
  } finally {
    child.kill();
  }
});

test("others' share is what the machine did beyond our own processes", () => {
  const from = { at: 100, busySeconds: 50 };
  assert.equal(othersShare(from, { at: 110, busySeconds: 68 }, 18, 2), 0);
  assert.equal(othersShare(from, { at: 110, busySeconds: 68 }, 14, 2), 0.2);
  assert.ok(othersShare(from, { at: 110, busySeconds: 68 }, 14, 2) > BUSY_ABOVE);
  assert.equal(othersShare(from, { at: 110, busySeconds: 60 }, 12, 2), 0, "rounding of the counters is no negative share");
  assert.throws(() => othersShare(from, from, 0, 2), RangeError);
});
