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
// A language model continues text. What makes it helpful, friendly or blunt is training on what people prefer: **alignment**. In this course you do it
// yourself, on a real model, on this machine: you write the loss, run the training, and watch the model's manner change.
//
// This first notebook takes a minute to run, ten to read, and at most 2.2 GiB of memory. In it
//
// 1. a model answers you, and you see what it was undecided about,
// 2. it says which of two answers it finds likelier, which is all that the next notebook's method needs to know,
// 3. you meet what the course is made of: tables, charts, loops that you can stop, and an exercise that checks itself.
//
// Click the first cell of code and press **Shift+Enter**; it runs, and the next one is chosen. This is your own copy: change any cell and run it
// again, nothing can break. `npm run reset -- 00` brings the original back.

// %% [markdown]
// ## A model answers
//
// Everything in the course comes from one module. The first import loads TensorFlow and takes a few seconds.

// %%
import {
  PACKAGED_MODEL,
  announceRun,
  barChart,
  check,
  engineInfo,
  generateText,
  getLogProb,
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
import type { Scalar } from "@tensorflow/tfjs";

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
// SmolLM2-135M-Instruct is small for a language model, 135 million numbers, and still holds a conversation of sorts. Loading takes about five
// seconds; the first words take a few more, because TensorFlow compiles the computation first. Put a question of your own in.

// %%
const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
const asked = "What's your morning routine like?";
const [answer] = await generateText(model, tokenizer, [asked], {
  maxNewTokens: profileName() === "quick" ? 16 : 60,
  stream: true,
});
console.log(`${tokenizer.encode(answer).length} tokens`);

// %% [markdown]
// *Think:* would a friend answer like that? Notebook 01 changes it, in about ten minutes of training.
//
// ## One word at a time
//
// The model never plans a sentence. It gives every piece of text that might come next, every **token**, a probability; one is taken, and the
// question is asked again. Here are the eight likeliest first tokens of its answer.
//
// In the code, numbers live in **tensors**: `tf.tensor2d(rows, undefined, "int32")` makes one of whole numbers, functions such as `tf.softmax` make new ones, `tf.tidy` frees
// all but its result, and `await x.data()` reads the numbers back.

// %%
const prompt = tokenizer.applyChatTemplate([{ role: "user", content: asked }], {
  addGenerationPrompt: true,
});
const promptIds = tokenizer.encode(prompt);
const { values, indices } = tf.tidy(() => {
  const logits = model.forward(tf.tensor2d([promptIds], undefined, "int32"));
  const last = tf.reshape(tf.slice(logits, [0, promptIds.length - 1, 0], [1, 1, -1]), [-1]);
  return tf.topk(tf.softmax(last), 8);
});
const likeliest = [...(await indices.data())].map((id) => JSON.stringify(tokenizer.decode([id])));
barChart({
  title: "The first token of the answer",
  categories: { label: "token", names: likeliest },
  value: { label: "probability" },
  series: [{ name: "probability", values: [...(await values.data())] }],
});

// %% [markdown]
// The long text that the model really reads has marks around each turn. Its last line asks the assistant to begin.

// %%
table(
  promptIds.slice(-12).map((id) => ({ id, token: tokenizer.decode([id]) })),
  { caption: `The last 12 of ${promptIds.length} tokens` },
);

// %% [markdown]
// ## Which answer is likelier?
//
// The course's data are pairs: to each prompt an answer that is preferred, `chosen`, and one that is not, `rejected`. In data like these people say so; ours are synthetic and say so themselves.

// %%
const pairs = await loadPreferenceRows("human-like", { limit: 10 });
table(pairs.slice(0, 3));

// %% [markdown]
// The probability of an answer is the product of its tokens' probabilities: a number too small to print, so everyone takes its logarithm, a sum. Below, for
// three pairs, that sum divided by the number of tokens. Nearer to 0 is likelier.

// %%
function logProbPerToken(question: string, reply: string): number {
  return tf.tidy(() => {
    const user = { role: "user", content: question };
    const start = tokenizer.encode(
      tokenizer.applyChatTemplate([user], { addGenerationPrompt: true }),
    );
    const ids = [...start, ...tokenizer.encode(reply)];
    const tokens = tf.tensor2d([ids], undefined, "int32");
    const isAnswer = tf.tensor2d([ids.map((_, place) => (place < start.length ? 0 : 1))]);
    const sum = getLogProb(model.forward(tokens), tokens, isAnswer);
    return sum.dataSync()[0] / (ids.length - start.length);
  });
}
const judged = pairs.slice(0, 3).map(({ prompt, chosen, rejected }) => ({
  prompt,
  chosen: logProbPerToken(prompt, chosen),
  rejected: logProbPerToken(prompt, rejected),
}));
table(judged, { caption: "Log-probability per token before any training" });

// %% [markdown]
// The model as it comes finds the rejected answers likelier: they sound like the help desk that it was trained to be. **Direct preference
// optimisation makes the chosen answers likelier relative to the rejected ones, each measured from where it began, and that is the whole of it.** What it must not do is forget how to speak on the way; how that is held
// in check is the subject of notebook 01.
//
// ## Numbers that learn
//
// Training is going downhill: a number says how wrong the model is, its gradient says which way is down. TensorFlow is called through tfjs's API; `tf.grad`
// gives the gradient of any function. That of $\sum_i x_i^2$ is $2x$:

// %%
const x = tf.tensor1d([1, 2, 3]);
const slope = tf.grad((value) => tf.sum(tf.square(value)))(x);
console.log(`gradient [${await slope.data()}]`);

// %% [markdown]
// Training a language model is this, with 135 million numbers in place of three.
//
// The loop below finds the minimum of $(w - 3)^2$: each step goes a tenth of the gradient downhill, then waits a tenth of a second so that you can watch.
// `jit` compiles the step on its first call, `w.assign` changes the weight, `tf.dispose` frees what is no longer needed.
// **Press ■ in the toolbar while it runs.** `steps(n)` counts in such a way that the cell then ends well and what was computed stays: an hour's training can be
// stopped like this. Before you run it: by which factor will the loss shrink at each step?

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
for await (const _ of steps(40)) {
  const rate = tf.scalar(0.1);
  const loss = descend(rate);
  losses.push((await loss.data())[0]);
  tf.dispose([rate, loss]);
  chart.update();
  await new Promise((resolve) => setTimeout(resolve, 100));
}
chart.end();

// %% [markdown]
// The distance to 3 shrinks by the factor 0.8 at each step, so its square by 0.64: 25, 16, 10.24, … Hover over the chart and see.
//
// ## Your first exercise
//
// Where your code goes, a cell has `todo(…)`. The check below it runs your function on cases with known answers. It says what was tried, what came out
// and what was wanted; it recognises common slips, and never shows the solution.
//
// DPO has no reward model. It takes as reward how much likelier an answer has become since training began, times a constant:
//
// $$\text{reward} = \beta \cdot (\log \pi(\text{answer}) - \log \pi_\text{ref}(\text{answer}))$$
//
// $\pi$ stands for the model, here its probability of the answer, and $\pi_\text{ref}$ for the model as it was, the reference. $\beta$ is a number that you choose: how much a
// change counts.
//
// **Exercise** (3 minutes). Write `implicitRewards`: log-probabilities of some answers under the model now, and under the reference, which is the
// model as it was; back comes a reward for each. Make a mistake on purpose first: leave `beta` out, and see what the check makes of it.

// %% [markdown]
// <details><summary>Hint</summary>
//
// `logps.map((logp, answer) => …)` makes a new list, and `refLogps[answer]` is the reference's value beside it.
//
// </details>

// %%
function implicitRewards(logps: number[], refLogps: number[], beta: number): number[] {
  // BEGIN SOLUTION: a reward for each answer
  return logps.map((logp, answer) => beta * (logp - refLogps[answer]));
  // END SOLUTION
}

// %%
await check("implicit-rewards", implicitRewards);

// %% [markdown]
// Stuck? `hint(…)` shows one hint after the other.

// %%
hint("implicit-rewards");

// %% [markdown]
// Some questions want a sentence and not code. Write it between the backticks. Nobody scores it: your answer is kept, and what a good one says is shown beside it.
//
// **Written question.** Before any training the model finds the rejected answers likelier than the chosen ones. Where does that come from, and why is it no reason to
// prefer them?

// %%
// BEGIN SOLUTION
const whyTheHelpDesk = `It was trained on chats in which the assistant answers politely and says that it is a
program, so texts of that kind got high probabilities. Being likely says what it has read, not what people like.`;
// STUDENT EDITION
// const whyTheHelpDesk = `
//
// `;
// END SOLUTION
question("help-desk-likelier", whyTheHelpDesk);

// %% [markdown]
// ## What you have now
//
// How far you have come is one call away, in every notebook:

// %%
progress();

// %% [markdown]
// | if you want to | |
// |---|---|
// | know a word | [glossary](../../docs/glossary.md) |
// | say it as in PyTorch or TRL | [cheat sheet](../../docs/cheat-sheet.md) |
// | stop a cell | ■ in the toolbar |
// | begin a notebook anew | `npm run reset -- 00`; what was there is kept in `work/backups` |
// | see how it is done | the same notebook in `notebooks/solutions` |
//
// Go on with **[01 DPO from scratch](01-dpo-from-scratch.ipynb)**: the three pairs above, and a few hundred more, will change the answer at the top of this page.
