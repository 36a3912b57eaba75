import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import type { Variable } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import type { LlamaModel } from "../../src/model/llama";
import { AdamW } from "../../src/step/optimizer";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { caseTrainer } from "./runCases";

interface FromPython {
  global_step: number;
  rows: number;
  step: number;
  names: string[];
  next: number[];
}

// What a checkpoint is worth outside: transformers reads its state, and PyTorch's AdamW goes on from its moments.
test("Python goes on from a checkpoint: the next step of torch.optim.AdamW is ours", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip("The peers' Python is not there; `npm run bench -- dpo` makes it (.venv-peer, 4.6 GB).");
  await inTemporaryFolder(async (dir) => {
    const outputDir = path.join(dir, "run");
    const { trainer, dispose } = await caseTrainer("dpo", { outputDir, args: { maxSteps: 3, saveSteps: 3, loggingSteps: 1, evalSteps: 0, precision: "float32", weightDecay: 0 } });
    await trainer.train();
    const output = execFileSync(peerPaths().python, [path.join(__dirname, "checkpoint.py"), path.join(outputDir, "checkpoint-3")], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" } });
    const python = JSON.parse(output.trim().split("\n").at(-1)!) as FromPython;
    const { model } = (trainer as unknown as { options: { model: LlamaModel } }).options;
    assert.deepEqual([python.global_step, python.rows, python.step], [3, 3, 3]);
    assert.deepEqual(python.names, ["step", ...[...model.parameters.keys()].flatMap((name) => [`${name}.exp_avg`, `${name}.exp_avg_sq`])].sort());

    const { optimizer } = (trainer as unknown as { loop: { step: { optimizer: AdamW } } }).loop.step;
    const onward = jit(() => {
      const gradients = [...model.parameters.values()].map((parameter: Variable) => tf.zerosLike(parameter));
      optimizer.apply(gradients, tf.scalar(5e-3), tf.scalar(1));
      return tf.scalar(0);
    });
    tf.dispose(onward());
    allClose([...(await model.parameters.get("model.norm.weight")!.data())], python.next, 1e-6);
    onward.dispose();
    dispose();
  });
});
