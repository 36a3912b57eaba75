import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serveHub } from "../hub/hubServer";
import { errorText, Notebook, root, type RunOptions } from "./notebook";

let notebook: Notebook;
before(async () => {
  notebook = await Notebook.open(join(root, "test", "kernel"));
});
after(() => notebook.close());

/** Presses Stop once the cell has printed "go". */
const onceGoing: RunOptions = { stop: [{ when: "go", after: 0.5 }] };

test("Stop ends generation: the cell is ok and has the tokens so far", async () => {
  await notebook.value(`import { generate } from "../../src/generate/generate"; import { tinyModel } from "../generate/tinyModel"; const model = await tinyModel({ positions: 20000 }); 1`);
  const ran = await notebook.run(
    `const answer = await generate(model, [[1, 2, 3]], { maxNewTokens: 15000, doSample: false, onStep: ({ done }) => { if (done === 5) console.log("go") } }); answer.finishedBy[0]`,
    onceGoing,
  );
  assert.equal(ran.reply?.status, "ok", errorText(ran.outputs));
  assert.equal(ran.outputs.at(-1)?.data?.["text/plain"], "stopped");
  const tokens = Number(await notebook.value("answer.sequences[0]!.length"));
  assert.ok(tokens >= 5 && tokens < 15_000, String(tokens));
  assert.equal(await notebook.value("(await generate(model, [[1, 2, 3]], { maxNewTokens: 3, doSample: false })).sequences[0]!.length"), "3");
});

test("Stop ends a download at once: its connection is closed, what has arrived is kept and gone on with", async () => {
  const home = mkdtempSync(join(tmpdir(), "alignlab-stop-"));
  const weights = randomBytes(400_000);
  const files = { "config.json": "{}", "model.safetensors": weights };
  const hub = await serveHub([{ name: "someone/tiny", revisions: { main: files }, large: /\.safetensors$/ }]);
  try {
    hub.faults.stallAfter = 150_000;
    await notebook.value(`import { downloadModel } from "../../src/hub/download"; Object.assign(process.env, { HF_ENDPOINT: ${JSON.stringify(hub.url)}, HF_HOME: ${JSON.stringify(home)}, HF_HUB_OFFLINE: "" }); delete process.env.HF_HUB_CACHE; 1`);
    const cell = `console.log("go"); const folder = await downloadModel("someone/tiny"); folder`;
    const ran = await notebook.run(cell, { stop: [{ when: "go", after: 2 }] });
    assert.equal(ran.reply?.ename, "StopError", errorText(ran.outputs));
    assert.match(ran.reply!.evalue!, /^stopped: someone\/tiny\/model\.safetensors was not downloaded to its end\. What has arrived is kept; run again to go on\.$/);
    const blobs = join(home, "hub", "models--someone--tiny", "blobs");
    const part = readdirSync(blobs).filter((name) => name.includes("."));
    assert.match(part.join(), /^[0-9a-f]{64}\.incomplete$/);
    const kept = statSync(join(blobs, part[0]!)).size;
    assert.ok(kept > 0 && kept <= 150_000, String(kept));
    hub.faults.stallAfter = undefined;
    await notebook.value(cell);
    assert.deepEqual(hub.requests.filter(({ url }) => url.startsWith("/cdn/")).map(({ range }) => range), [undefined, `bytes=${kept}-`]);
  } finally {
    await hub.close();
    rmSync(home, { recursive: true });
  }
});
