// ---
// jupyter:
//   jupytext:
//     text_representation:
//       extension: .ts
//       format_name: percent
//   kernelspec:
//     display_name: TypeScript (Alignlab)
//     language: typescript
//     name: alignlab
// ---

// %% [markdown]
// # A tour
//
// In two minutes you see everything that the course uses: a language model that answers, a chart, a table, a loop that can be stopped, an exercise
// with its check. It needs at most 1.6 GiB of memory. Run the cells one after the other with Shift+Enter, or all of them with *Run › Run All Cells*.
//
// Every notebook is TypeScript. A cell's last value is shown, variables live on from cell to cell, and `await` works anywhere.

// %% [markdown]
// ## What is running
//
// The first import loads TensorFlow; it takes a few seconds. Everything else in the course is in this one module.

// %%
import { DataFrame } from "danfojs-node";
import {
  PACKAGED_MODEL,
  announceRun,
  check,
  engineInfo,
  expectedTime,
  generate,
  hint,
  jit,
  lineChart,
  liveChart,
  loadModel,
  loadPreferenceRows,
  profileName,
  progress,
  question,
  steps,
  table,
  tf,
} from "../../src";
import type { Scalar, Tensor1D } from "@tensorflow/tfjs";

// %%
const seed = 42;
const engine = engineInfo();
announceRun({
  backend: `TensorFlow ${engine.tensorflow}, ${engine.device}`,
  precision: "float32",
  model: PACKAGED_MODEL,
  data: "human-like, ten pairs",
  seed,
});

// %% [markdown]
// TensorFlow is called from TypeScript through tfjs's API: `tf.add`, `tf.matMul`, gradients with `tf.grad`. The numbers below are tensors. A scalar
// has the shape [], a list of three the shape [3].

// %%
const x = tf.tensor1d([1, 2, 3]);
const sumOfSquares = tf.sum(tf.square(x));
const slope = tf.grad((value) => tf.sum(tf.square(value)))(x);
console.log(
  `sum of squares ${(await sumOfSquares.data())[0]}, its gradient [${await slope.data()}]`,
);

// %% [markdown]
// The gradient of $\sum_i x_i^2$ is $2x$: [2, 4, 6]. Training a language model is this, with 135 million numbers in place of three.
//
// ## A model answers
//
// SmolLM2-135M-Instruct is small for a language model and still holds a conversation of sorts. Loading it takes about five seconds, its first words a few more,
// because TensorFlow compiles the computation first.

// %%
const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
const memory = engineInfo().memory.resident;
console.log(
  `${(model.parameterCount / 1e6).toFixed(1)} million weights, ${memory.toFixed(1)} GiB of memory`,
);

// %% [markdown]
// A text goes in as **tokens**, pieces of words with a number each. The chat template writes marks around each turn; the last line asks the assistant to begin.

// %%
const prompt = tokenizer.applyChatTemplate(
  [{ role: "user", content: "Name three things that make a morning good." }],
  { addGenerationPrompt: true },
);
const promptIds = tokenizer.encode(prompt);
table(
  promptIds.slice(-12).map((id) => ({ id, token: tokenizer.decode([id]) })),
  { caption: `The last 12 of ${promptIds.length} tokens` },
);

// %%
const began = performance.now();
const { sequences } = await generate(model, [promptIds], {
  maxNewTokens: profileName() === "quick" ? 16 : 60,
});
const seconds = (performance.now() - began) / 1000;
console.log(tokenizer.decode(sequences[0], { skipSpecialTokens: true }));
console.log(
  `\n${sequences[0].length} tokens in ${seconds.toFixed(1)} s, the first of them with compiling`,
);

// %% [markdown]
// *Think:* is that how a friend would answer? The next notebook changes it.
//
// ## Tables
//
// Rows are plain objects or danfojs data frames. These are the pairs that the next notebook trains on: to each prompt one answer that was preferred and one that was not.

// %%
const pairs = await loadPreferenceRows("human-like", { limit: 10 });
const frame = new DataFrame(pairs);
table(frame.head(3));

// %% [markdown]
// ## Charts and loops that can be stopped
//
// Charts are interactive: hover over a point, drag to zoom. A live chart grows while a loop runs. `steps(n)` counts in such a way that the Stop button works: press
// the square in the toolbar while this runs. The cell then ends well, and what was computed stays.
//
// The loop finds the minimum of $(w - 3)^2$ by gradient descent. Each step goes a tenth of the gradient downhill and then waits a tenth of a second,
// so that you can watch; the whole takes about five seconds.

// %%
const w = tf.variable(tf.scalar(-2));
const descend = jit((rate: Scalar) => {
  const { value, grads } = tf.variableGrads(() => tf.square(tf.sub(w, 3)) as Scalar, [w]);
  w.assign(tf.sub(w, tf.mul(grads[w.name], rate)) as Scalar);
  return value;
});
const losses: number[] = [];
const chart = liveChart(() =>
  lineChart({
    title: "Gradient descent on (w − 3)²",
    x: { label: "step" },
    y: { label: "loss" },
    series: [{ name: "loss", x: losses.map((_, i) => i + 1), y: losses }],
  }),
);
for await (const i of steps(40)) {
  const started = performance.now();
  const rate = tf.scalar(0.1);
  const loss = descend(rate);
  losses.push((await loss.data())[0]);
  tf.dispose([rate, loss]);
  chart.update();
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (i === 1)
    expectedTime("the loop", {
      seconds: (performance.now() - started) / 1000,
      done: 1,
      total: 40,
      unit: "steps",
    });
}
chart.end();

// %% [markdown]
// The distance to 3 shrinks by the factor 0.8 each step, so the loss by 0.64: 25, 16, 10.24, … Check it against the chart.
//
// ## An exercise
//
// In the student edition a function has `todo(…)` where your code goes. The check below it runs your function on cases with known answers and says in plain words what is wrong.
//
// As a sample, part of what the next notebook asks for: the DPO loss of a pair, here with a mistake in it that is easily made. See what the check makes of it.

// %%
function almostRight(
  chosen: Tensor1D,
  rejected: Tensor1D,
  refChosen: Tensor1D,
  refRejected: Tensor1D,
  beta = 0.1,
): [Scalar, Scalar, Scalar] {
  const rewards = tf.mul(tf.sub(chosen, refChosen), beta);
  const otherRewards = tf.mul(tf.sub(rejected, refRejected), beta);
  const margin = tf.sub(rewards, otherRewards);
  const accuracy = tf.mean(tf.cast(tf.greater(margin, 0), "float32"));
  return [
    tf.mean(tf.logSigmoid(margin)) as Scalar,
    accuracy as Scalar,
    tf.mean(margin) as Scalar,
  ];
}

await check("dpo-loss", almostRight).catch((error: Error) =>
  console.log(`A check that fails ends its cell with:\n${error.message}`),
);

// %% [markdown]
// Stuck? A first hint is folded above each check, and `hint(…)` shows one after the other. No hint shows the solution.

// %%
hint("dpo-loss");

// %% [markdown]
// Some questions want a sentence and not code. Nobody scores your answer: it is stored, and what a good one says is shown beside it.

// %%
// BEGIN SOLUTION
const whatBetaDoes = `With a larger beta a small change already counts as a large reward, so
the policy stays nearer to the reference.`;
// STUDENT EDITION
// const whatBetaDoes = `
//
// `;
// END SOLUTION
question("beta-large", whatBetaDoes);

// %% [markdown]
// What you have done is remembered in a file of your own, and drawn whenever you ask. Nobody else sees it; `progress.reset()` begins anew.

// %%
progress();

// %% [markdown]
// That is all. Go on with **01 DPO from scratch**.
