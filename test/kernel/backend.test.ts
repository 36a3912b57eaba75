import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { errorText, Notebook, printed, root } from "./notebook";

const given = process.env.ALIGNLAB_BACKEND;
after(() => {
  if (given === undefined) delete process.env.ALIGNLAB_BACKEND;
  else process.env.ALIGNLAB_BACKEND = given;
});

async function withBackend(name: string, work: (notebook: Notebook) => Promise<void>): Promise<void> {
  process.env.ALIGNLAB_BACKEND = name;
  const notebook = await Notebook.open(join(root, "test", "kernel"));
  try {
    await work(notebook);
  } finally {
    await notebook.close();
  }
}

test("a cell that imports the engine ends once its backend has started, and says which; the next computes", async () => {
  await withBackend("wasm", async (notebook) => {
    const ran = await notebook.run('import { tf } from "../../src/engine/backend"; console.log("imported")');
    assert.equal(ran.reply?.status, "ok");
    assert.match(printed(ran, "stderr"), /^Backend wasm \(tfjs on WebAssembly, one thread\): ALIGNLAB_BACKEND names it\./);
    assert.equal(await notebook.value("tf.getBackend() + tf.sum(tf.tensor1d([1, 2])).dataSync()[0]"), "wasm3");
  });
});

test("a backend that is none is the cell's error", async () => {
  await withBackend("cuda", async (notebook) => {
    const ran = await notebook.run('import { tf } from "../../src/engine/backend"; 1');
    assert.match(errorText(ran.outputs), /ALIGNLAB_BACKEND is "cuda"; it must be one of tensorflow, webgpu, wasm, cpu\./);
  });
});
