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
// # DPO from scratch
//
// A language model can be taught which of two answers people prefer. Direct Preference Optimisation (DPO) does it with one
// loss function and no reward model. In this notebook you write all of it: the data, the loss, the training step. Then you
// train a real model with 135 million weights until it answers like a friend and no longer like a help desk.
//
// | part | what you do | kind |
// |---|---|---|
// | 1 – 3 | turn preference pairs into padded batches of token ids | exercises 1, 2, 3 |
// | 4 – 5 | write the loss and the log-probabilities it needs | exercises 4, 5 |
// | 6 | write the training step, run it, train | exercise 6 |
// | 7 – 9 | compare answers before and after, save the model, look at what changed | experiments |
// | 10 – 11 | check against the library's fast path; everything once more, for whoever marks the work | experiments |
//
// An exercise is a function with `todo(…)` in it. Replace that line, run the cell, run the check below it. A check tells
// you what it tried, what it got and what it wanted. It recognises common slips and never shows the solution.
//
// With the profile `default` the whole notebook takes 10 to 15 minutes on two cores and at most 6.9 GiB of memory; your
// own time comes on top, two to three hours for a first reader. On a machine with 8 GiB start with
// `ALIGNLAB_PROFILE=small npm start`: batches of half the size, less than 6 GiB.

// %% [markdown]
// ## Setting up
//
// The first import loads TensorFlow and takes a few seconds. The names that you will write yourself (`pad`, `dpoLoss`, …)
// are not imported: part 10 gets the library's own versions of them.

// %%
import { DataFrame } from "danfojs-node";
import {
  PACKAGED_MODEL,
  DPOTrainer,
  HandOptimizer,
  announceRun,
  check,
  engineInfo,
  expectedTime,
  expectedTimeCallback,
  generate,
  healthMonitor,
  hint,
  histogram,
  historyFrame,
  inTime,
  jit,
  lineChart,
  liveChart,
  liveTrainingChart,
  loadModel,
  loadPreferenceRows,
  loadRows,
  profile,
  progress,
  progressCallback,
  pushToHub,
  question,
  resolvePrecision,
  runFolder,
  saveModel,
  sideBySide,
  splitRows,
  steps,
  store,
  table,
  tf,
  trainingCurves,
  type BatchTensors,
  type GenerateOptions,
  type LlamaForCausalLM,
  type LanguageModel,
  type LogRow,
  type PreferenceBatch,
  type PreferenceRow,
  type StepOptimizer,
  type TokenizedRow,
  type Tokenizer,
} from "../../src";
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";

// %% [markdown]
// What follows is all that there is to set. The packaged model and data need no network. With a network, put any
// Llama-style model and any data set of pairs in their place, for example `HuggingFaceTB/SmolLM-135M-Instruct` and
// `HumanLLMs/Human-Like-DPO-Dataset`, the ones of the original assignment.

// %%
const modelId = process.env.ALIGNLAB_MODEL ?? PACKAGED_MODEL;
const dataId = process.env.ALIGNLAB_DATA ?? "human-like";
const seed = 42;
const beta = 1.0;
const precision = resolvePrecision("bfloat16");

const engine = engineInfo();
announceRun({
  backend: `TensorFlow ${engine.tensorflow}, ${engine.device}`,
  precision: `float32 by hand, ${precision} for the trainer`,
  model: modelId,
  data: dataId,
  seed,
});

// %% [markdown]
// How much is computed depends on the profile. The table sets each value beside the original assignment's, which ran about
// an hour on a T4 and two minutes on an H100. `beta` is the original's 1.0 in every profile. `loopBatchSize` is the batch of
// your own loop in part 6, which keeps the logits of every position in memory and so takes fewer rows at once. The learning
// rate of `default` is a fifth of the original's: all our rows differ in the same manner, so little is needed.

// %%
const settings = profile("01", {
  full: {
    rows: 10_884,
    heldOutRows: 100,
    epochs: 1,
    batchSize: 16,
    loopBatchSize: 16,
    learningRate: 5e-5,
    maxLength: 1024,
    maxPromptLength: 256,
    steps: 50,
    samples: 20,
    maxNewTokens: 256,
    unseenRows: 60,
  },
  default: {
    rows: 300,
    heldOutRows: 30,
    epochs: 2,
    batchSize: 4,
    loopBatchSize: 2,
    learningRate: 1e-5,
    maxLength: 224,
    maxPromptLength: 96,
    steps: 12,
  },
  quick: {
    rows: 32,
    heldOutRows: 8,
    batchSize: 4,
    loopBatchSize: 2,
    maxLength: 96,
    maxPromptLength: 64,
    steps: 2,
    samples: 2,
    maxNewTokens: 24,
    unseenRows: 8,
  },
});

// %% [markdown]
// ## A first look: rows and a model
//
// A row of preference data has three texts: a `prompt`, the answer that was preferred (`chosen`) and the one that was not
// (`rejected`). Both answers fit the prompt. What differs is the manner, and that is what the model will learn.
//
// Some rows are held out: the model never trains on them, so they show whether it learnt a manner or the rows by heart.

// %%
const allRows = (await loadPreferenceRows(dataId, { limit: settings.rows })) as PreferenceRow[];
const { train: trainRows, test: heldOutRows } = splitRows(allRows, {
  testSize: settings.heldOutRows,
  seed,
});
const trainFrame = new DataFrame(trainRows.slice(0, 5));
trainFrame;

// %% [markdown]
// Before any code, a bet: look at five rows and write down one thing by which you could tell chosen from rejected with your
// eyes half closed. In part 7 the trained model shows whether it found the same thing.
//
// Now the model. `policy` is the copy that will change. `reference` is a second copy that stays as it is: DPO measures how
// far the policy moves away from it. Loading takes about five seconds.

// %%
const { model: policy, tokenizer, generationConfig } = await loadModel(modelId);
const reference = await policy.clone();
const padTokenId = tokenizer.padTokenId!;

const firstPrompt = "What's your morning routine like?";
/** Asks a model each prompt as a chat of one question; the answers come back as plain text. */
async function ask(
  model: LlamaForCausalLM,
  prompts: string[],
  options: GenerateOptions,
): Promise<string[]> {
  const chats = prompts.map((content) =>
    tokenizer.applyChatTemplate([{ role: "user", content }], { addGenerationPrompt: true }),
  );
  const { sequences } = await generate(
    model,
    chats.map((chat) => tokenizer.encode(chat)),
    options,
  );
  return tokenizer.batchDecode(sequences, { skipSpecialTokens: true });
}
const [firstAnswer] = await ask(policy, [firstPrompt], { maxNewTokens: 40 });
console.log(`${(policy.parameterCount / 1e6).toFixed(1)} million weights\n`);
console.log(`${firstPrompt}\n→ ${firstAnswer}`);

// %% [markdown]
// That is the model's manner today: polite, useful, nobody's friend.

// %% [markdown]
// ## Part 1. From texts to a chat
//
// The model was trained on chats, and a chat is one long text with marks in it. The chat template of the tokenizer writes
// them. One question with the mark that asks the assistant to begin looks like this:

// %%
console.log(
  tokenizer.applyChatTemplate([{ role: "user", content: "Tea or coffee?" }], {
    addGenerationPrompt: true,
  }),
);

// %% [markdown]
// `<|im_start|>` and `<|im_end|>` open and close a turn. The last line is the **generation prompt**: the head of a turn that
// is still empty. Everything up to there is the prompt; what the model writes next is the answer, and it ends with
// `<|im_end|>` and a line break. (The system turn at the top is the template's own default.)
//
// DPO needs the two parts separately, since only the answer's tokens are scored. There is a catch: an answer rendered by
// itself gets a system turn of its own in front. So render question and answer **together** and cut the prompt's rendering off the front.
//
// **Exercise 1** (15 minutes). Write `applyChatTemplate`. It takes `{ prompt, chosen, rejected }` as plain texts and returns
// the same three, rendered: `prompt` with the generation prompt at its end, each answer as what follows it (`…<|im_end|>\n`).

// %% [markdown]
// Every exercise has hints, from a nudge to nearly the way. `hint(…)` shows one after the other: here the first of this exercise. Later, call it in a cell of
// your own. What a word means stands in the [glossary](../../docs/glossary.md), and PyTorch's lines beside ours in the [cheat sheet](../../docs/cheat-sheet.md).

// %%
hint("apply-chat-template");

// %% [markdown]
// <details><summary>Hint</summary>
//
// `tokenizer.applyChatTemplate(messages)` takes a list of `{ role, content }`, and both renderings begin with exactly the same
// characters. `text.slice(n)` drops the first n characters.
//
// </details>

// %%
function applyChatTemplate(example: PreferenceRow, tokenizer: Tokenizer): PreferenceRow {
  // BEGIN SOLUTION: render the prompt, and each answer without the prompt in front
  const user = { role: "user", content: example.prompt };
  const prompt = tokenizer.applyChatTemplate([user], { addGenerationPrompt: true });
  const render = (answer: string): string =>
    tokenizer
      .applyChatTemplate([user, { role: "assistant", content: answer }])
      .slice(prompt.length);
  return { prompt, chosen: render(example.chosen), rejected: render(example.rejected) };
  // END SOLUTION
}

// %%
await check("apply-chat-template", applyChatTemplate);
// BEGIN HIDDEN TESTS
await check("apply-chat-template", applyChatTemplate, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// Your function on a row of the data. Read the marks: where does the prompt end, and where does an answer end?

// %%
const renderedRow = applyChatTemplate(trainRows[0], tokenizer);
table(Object.entries(renderedRow).map(([column, text]) => ({ column, text })));

// %% [markdown]
// *Think:* what would the model learn from answers without `<|im_end|>`? (It would never stop.)

// %% [markdown]
// ## Part 2. From text to ids
//
// A model reads numbers. `tokenizer.encode(text)` gives one id for each token, a piece of a word of about four letters.
// The marks of the template are single tokens. They are in the text already, so nothing may be added: a second set of
// special tokens would be something the model has never seen.
//
// Long texts are cut. Memory and time grow with the length, and one long row makes the whole batch long. A prompt keeps its
// **last** `maxPromptLength` tokens, an answer its **first** `maxCompletionLength`. `null` means no limit.
//
// **Exercise 2** (15 minutes). Write `tokenizeRow`. It returns three lists of ids: `prompt_input_ids`, `chosen_input_ids`, `rejected_input_ids`.

// %% [markdown]
// <details><summary>Hint</summary>
//
// `ids.slice(-n)` is the end of a list and `ids.slice(0, n)` its beginning. Try `[1, 2, 3].slice(0, null!)` in a cell before you trust it.
//
// </details>

// %%
function tokenizeRow(
  example: PreferenceRow,
  tokenizer: Tokenizer,
  maxPromptLength = 512,
  maxCompletionLength: number | null = null,
): TokenizedRow {
  // BEGIN SOLUTION: encode the three texts; of the prompt keep the end, of each answer the beginning
  const cut = (text: string): number[] => {
    const ids = tokenizer.encode(text);
    return maxCompletionLength === null ? ids : ids.slice(0, maxCompletionLength);
  };
  return {
    prompt_input_ids: tokenizer.encode(example.prompt).slice(-maxPromptLength),
    chosen_input_ids: cut(example.chosen),
    rejected_input_ids: cut(example.rejected),
  };
  // END SOLUTION
}

// %%
await check("tokenize-row", tokenizeRow);
// BEGIN HIDDEN TESTS
await check("tokenize-row", tokenizeRow, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// Now all rows. The picture shows how long they are; the unit is tokens. A batch is as long as its longest row, so the right
// tail is what costs memory.

// %%
const maxCompletionLength = settings.maxLength - settings.maxPromptLength;
const tokenize = (row: PreferenceRow): TokenizedRow =>
  tokenizeRow(
    applyChatTemplate(row, tokenizer),
    tokenizer,
    settings.maxPromptLength,
    maxCompletionLength,
  );
const trainTokens = trainRows.map(tokenize);

histogram({
  title: "Lengths of prompts and answers",
  x: { label: "length", unit: "tokens" },
  samples: [
    { name: "prompts", values: trainTokens.map((row) => row.prompt_input_ids.length) },
    { name: "chosen", values: trainTokens.map((row) => row.chosen_input_ids.length) },
    { name: "rejected", values: trainTokens.map((row) => row.rejected_input_ids.length) },
  ],
});

// %% [markdown]
// *Think:* the chosen answers are a little longer than the rejected ones. Their log-probability is a sum over tokens. Which
// of the two will have the lower sum, and does that matter to a loss that compares with the reference?
//
// **Written question.** `tokenizeRow` keeps the end of a long prompt and the beginning of a long answer. Why is a prompt cut from the left? Answer in two or three
// sentences between the backticks. Nobody scores it; you see afterwards what a good answer says.

// %%
// BEGIN SOLUTION
const whyFromTheLeft = `The end of a prompt holds the latest question and the head of the
assistant's turn. Without that head the model is not asked to answer at all, while the
beginning is what it can most easily do without. An answer is cut at its end, because every
token is predicted from those before it, so a beginning is still a valid text.`;
// STUDENT EDITION
// const whyFromTheLeft = `
//
// `;
// END SOLUTION
question("prompt-cut-left", whyFromTheLeft);

// %% [markdown]
// ## Part 3. From rows to a batch
//
// A tensor is a rectangle, and rows have different lengths. So short rows are filled up with a padding token, and a **mask** says
// which places are real: 1 for a token, 0 for padding.
//
// **Exercise 3a** (10 minutes). Write `pad`: all sequences as long as the longest, filled with `value` on the given side.

// %% [markdown]
// <details><summary>Hint</summary>
//
// `new Array(n).fill(value)` is a list of n copies. Do not change the lists that you were given: return new ones.
//
// </details>

// %%
function pad(sequences: number[][], value: number, side: "left" | "right"): number[][] {
  // BEGIN SOLUTION: fill every sequence up to the longest one
  const longest = Math.max(...sequences.map((sequence) => sequence.length));
  return sequences.map((sequence) => {
    const filling = new Array<number>(longest - sequence.length).fill(value);
    return side === "left" ? [...filling, ...sequence] : [...sequence, ...filling];
  });
  // END SOLUTION
}

// %%
await check("pad", pad);
// BEGIN HIDDEN TESTS
await check("pad", pad, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// Later the prompt and an answer are joined, side by side: `[prompt | answer]`. Think of three rows stacked. For the
// join to have no gap, every prompt must end at the same column and every answer must begin there.
//
// **Exercise 3b** (15 minutes). Write `padCollate`. It takes a list of tokenised rows and returns, for `prompt`, `chosen` and `rejected`,
// the padded ids (`…_input_ids`) and the mask (`…_attn_mask`). Each of the three is padded to its own longest row.
//
// One trap: this model's padding token is the same token that may end a text. A mask made by looking for that id is wrong
// at the end of an answer.

// %% [markdown]
// <details><summary>Hint</summary>
//
// Build the mask with your own `pad`: lists of ones, as long as the ids, padded with 0 on the same side.
//
// </details>

// %%
function padCollate(batch: TokenizedRow[], padTokenId: number): PreferenceBatch {
  // BEGIN SOLUTION: pad the three columns and their masks
  const column = (
    name: keyof TokenizedRow,
    side: "left" | "right",
  ): [number[][], number[][]] => {
    const sequences = batch.map((row) => row[name]);
    const ones = sequences.map((sequence) => sequence.map(() => 1));
    return [pad(sequences, padTokenId, side), pad(ones, 0, side)];
  };
  const [prompt_input_ids, prompt_attn_mask] = column("prompt_input_ids", "left");
  const [chosen_input_ids, chosen_attn_mask] = column("chosen_input_ids", "right");
  const [rejected_input_ids, rejected_attn_mask] = column("rejected_input_ids", "right");
  return {
    prompt_input_ids,
    prompt_attn_mask,
    chosen_input_ids,
    chosen_attn_mask,
    rejected_input_ids,
    rejected_attn_mask,
  };
  // END SOLUTION
}

// %%
await check("pad-collate", padCollate);
// BEGIN HIDDEN TESTS
await check("pad-collate", padCollate, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// A batch of your own making. Look at the first and last ids of a prompt and of an answer: on which side is the padding?

// %%
const sampleBatch = padCollate(trainTokens.slice(0, 4), padTokenId);
const ends = (ids: number[]): string =>
  `${ids.slice(0, 4).join(" ")} … ${ids.slice(-4).join(" ")}`;
table(
  sampleBatch.prompt_input_ids.map((ids, row) => ({
    prompt: ends(ids),
    "prompt mask": ends(sampleBatch.prompt_attn_mask[row]),
    chosen: ends(sampleBatch.chosen_input_ids[row]),
    "chosen mask": ends(sampleBatch.chosen_attn_mask[row]),
  })),
  {
    caption: `4 rows of ${sampleBatch.prompt_input_ids[0].length} + ${sampleBatch.chosen_input_ids[0].length} places, padding token ${padTokenId}`,
  },
);

// %% [markdown]
// **Written question.** Which side is padded for prompts, which for answers, and what would break the other way round?

// %%
// BEGIN SOLUTION
const whichSide = `Prompts on the left, answers on the right. Then the last token of each
prompt stands directly before the first token of its answer, and positions and attention run
on without a gap. The other way round the model would see padding between question and
answer.`;
// STUDENT EDITION
// const whichSide = `
//
// `;
// END SOLUTION
question("padding-side", whichSide);

// %% [markdown]
// ## Part 4. The loss
//
// For a prompt $x$, write $\pi(y \mid x)$ for the probability that the policy gives to the answer $y$, and $\pi_\text{ref}$ for the
// reference's. The **implicit reward** of an answer says how much likelier the policy has made it:
//
// $$ r(y) = \beta \, \big( \log \pi(y \mid x) - \log \pi_\text{ref}(y \mid x) \big) $$
//
// Read $\pi(y \mid x)$ as "the probability of $y$ given $x$". The two answers of a pair are called $y_w$, the winner (`chosen`), and $y_l$, the loser (`rejected`).
// The DPO loss is small when the winner has the higher reward (Rafailov et al. 2023, equation 7):
//
// $$ \mathcal{L} = -\log \sigma \big( r(y_w) - r(y_l) \big) $$
//
// | symbol | variable | shape, unit |
// |---|---|---|
// | $\log \pi(y_w \mid x)$, $\log \pi(y_l \mid x)$ | `chosenLogps`, `rejectedLogps` | [B], nats |
// | $\log \pi_\text{ref}(\ldots)$ | `refChosenLogps`, `refRejectedLogps` | [B], nats |
// | $\beta$ | `beta` | a number |
// | $\sigma(z) = 1 / (1 + e^{-z})$, the sigmoid, and $\log \sigma$ | `tf.sigmoid`, `tf.logSigmoid` | |
//
// B is the number of pairs in the batch. A nat is the unit of natural logarithms: a log-probability of −2.3 nats is a probability of one in ten.
//
// A worked number. Take β = 0.5, log-probabilities −10 and −14 under the policy, −12 and −13 under the reference. The rewards are
// 0.5 · (−10 + 12) = 1 and 0.5 · (−14 + 13) = −0.5. Their difference, the **margin**, is 1.5, and −log σ(1.5) = 0.201.
//
// A second one, worth remembering: before training the policy **is** the reference. All rewards are 0, and −log σ(0) = ln 2 = **0.6931**.
// A run of DPO that begins with any other loss has a mistake in it.

// %%
const margins = Array.from({ length: 121 }, (_, i) => (i - 60) / 10);
lineChart({
  title: "The loss of one pair against its margin",
  x: { label: "margin, r(chosen) − r(rejected)" },
  y: { label: "loss" },
  series: [
    {
      name: "−log σ(margin)",
      x: margins,
      y: margins.map((margin) => Math.log1p(Math.exp(-margin))),
      markers: false,
    },
  ],
});

// %% [markdown]
// *Think:* at which margins does a pair still pull on the weights? (Where the curve is steep: a pair that is right by a
// margin of 5 hardly counts any more.)
//
// **Exercise 4** (20 minutes). Write `dpoLoss`. It returns three scalars: the mean loss, the share of pairs whose chosen answer has the
// strictly higher reward (two equal rewards count as wrong), and the mean margin.
//
// Tensors have no `+`, `−` or `*`: it is `tf.add(a, b)`, `tf.sub(a, b)`, `tf.mul(a, b)`, `tf.neg(a)`, `tf.mean(a)`; more in the
// [cheat sheet](../../docs/cheat-sheet.md). TypeScript does not know shapes: where it says that a `Tensor` is not a `Scalar`, write `tf.mean(a) as Scalar`.

// %% [markdown]
// <details><summary>Hint</summary>
//
// Compute the two reward vectors first, both [B]; all three results follow from them. `tf.greater` compares, `tf.cast(…, "float32")` makes numbers of it.
//
// </details>

// %%
function dpoLoss(
  chosenLogps: Tensor1D,
  rejectedLogps: Tensor1D,
  refChosenLogps: Tensor1D,
  refRejectedLogps: Tensor1D,
  beta = 0.1,
): [Scalar, Scalar, Scalar] {
  // BEGIN SOLUTION: compute the loss, the reward accuracy and the reward margin
  const chosenRewards = tf.mul(tf.sub(chosenLogps, refChosenLogps), beta);
  const rejectedRewards = tf.mul(tf.sub(rejectedLogps, refRejectedLogps), beta);
  const margin = tf.sub(chosenRewards, rejectedRewards);
  const loss = tf.neg(tf.mean(tf.logSigmoid(margin))) as Scalar;
  const accuracy = tf.mean(
    tf.cast(tf.greater(chosenRewards, rejectedRewards), "float32"),
  ) as Scalar;
  return [loss, accuracy, tf.mean(margin) as Scalar];
  // END SOLUTION
}

// %%
await check("dpo-loss", dpoLoss);
// BEGIN HIDDEN TESTS
await check("dpo-loss", dpoLoss, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// The two worked numbers again, by your function.

// %%
const [untouched] = dpoLoss(
  tf.tensor1d([-20, -31]),
  tf.tensor1d([-25, -30]),
  tf.tensor1d([-20, -31]),
  tf.tensor1d([-25, -30]),
  beta,
);
const [worked] = dpoLoss(
  tf.tensor1d([-10]),
  tf.tensor1d([-14]),
  tf.tensor1d([-12]),
  tf.tensor1d([-13]),
  0.5,
);
console.log(`policy = reference: ${(await untouched.data())[0].toFixed(4)}`);
console.log(`worked example:     ${(await worked.data())[0].toFixed(4)}`);

// %% [markdown]
// **Written question.** Beta multiplies the log-ratios. What does a larger beta do to the loss of a pair that is already in the right order, and to how far the
// policy moves from the reference?

// %%
// BEGIN SOLUTION
const whatBetaDoes = `With a larger beta the same change in log-probability is a larger
reward, so the sigmoid saturates sooner and a pair in the right order stops pulling on the
weights earlier. The policy therefore stays nearer to the reference.`;
// STUDENT EDITION
// const whatBetaDoes = `
//
// `;
// END SOLUTION
question("beta-large", whatBetaDoes);

// %% [markdown]
// ## Part 5. The log-probability of an answer
//
// The loss needs $\log \pi(y \mid x)$, and the model gives something else: **logits**, scores for each token of the vocabulary at
// each position. Log-softmax turns the scores at one position into log-probabilities. An answer's log-probability is the sum over its tokens:
//
// $$ \log \pi(y \mid x) = \sum_{t} \log p(y_t \mid x, y_{<t}) $$
//
// Here $y_t$ is the answer's token number $t$ and $y_{<t}$ are those before it.
//
// **The trap is a shift by one.** The logits at position $t$ are the model's guess for the token at $t + 1$:
//
// | position | 0 | 1 | 2 | 3 | 4 |
// |---|---|---|---|---|---|
// | token (`labels`) | `How` | `are` | `you` | `Fine` | `<end>` |
// | the logits here predict | `are` | `you` | `Fine` | `<end>` | nothing we have |
// | `mask` (1: answer) | 0 | 0 | 0 | 1 | 1 |
//
// `Fine` stands at position 3 and is predicted at position 2. So logits lose their last position, labels and mask their first.
//
// **Exercise 5** (25 minutes). Write `getLogProb(logits, labels, mask)`: logits [B, T, V], labels and mask [B, T], result [B]. T is the length, V
// the size of the vocabulary. `labels` are the same ids that went into the model, not shifted.

// %% [markdown]
// <details><summary>Hint</summary>
//
// `tf.slice(x, begin, size)` cuts; its third argument is a size, not an end, and −1 goes to the end. `tf.logSoftmax(x)` works along the last axis. (`tf.gather` is
// another thing than PyTorch's.) Multiply the log-softmax by `tf.oneHot(labels, V)` and sum over the
// vocabulary: what is left at each position is the one entry of its label. `labels` must be int32 for `oneHot`.
//
// </details>

// %%
function getLogProb(logits: Tensor3D, labels: Tensor2D, mask: Tensor2D): Tensor1D {
  // BEGIN SOLUTION: shift by one, log-softmax, pick each label's entry, mask, sum
  const [batch, length, vocabulary] = logits.shape;
  const predictions = tf.slice(logits, [0, 0, 0], [batch, length - 1, vocabulary]);
  const targets = tf.slice(labels, [0, 1], [batch, length - 1]);
  const counted = tf.cast(tf.slice(mask, [0, 1], [batch, length - 1]), "float32");
  const picked = tf.sum(tf.mul(tf.logSoftmax(predictions), tf.oneHot(targets, vocabulary)), -1);
  return tf.sum(tf.mul(picked, counted), 1) as Tensor1D;
  // END SOLUTION
}

// %%
await check("get-log-prob", getLogProb);
// BEGIN HIDDEN TESTS
await check("get-log-prob", getLogProb, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// On the real model: the first row's two answers, in nats and as a mean for each token. A model that guessed blindly among 49,152
// tokens would be at −10.8 a token.

// %%
async function answerLogProb(
  model: LanguageModel,
  promptIds: number[],
  answerIds: number[],
): Promise<number> {
  const ids = tf.tensor2d([[...promptIds, ...answerIds]], undefined, "int32");
  const mask = tf.tensor2d(
    [[...promptIds.map(() => 0), ...answerIds.map(() => 1)]],
    undefined,
    "int32",
  );
  const logProb = tf.tidy(() => getLogProb(model.forward(ids, tf.onesLike(ids)), ids, mask));
  const [value] = await logProb.data();
  tf.dispose([ids, mask, logProb]);
  return value;
}
const firstRow = trainTokens[0];
const answerTable = [];
for (const column of ["chosen_input_ids", "rejected_input_ids"] as const) {
  const nats = await answerLogProb(policy, firstRow.prompt_input_ids, firstRow[column]);
  answerTable.push({
    answer: column.replace("_input_ids", ""),
    tokens: firstRow[column].length,
    "log-probability": nats,
    "nats a token": nats / firstRow[column].length,
  });
}
table(answerTable, { decimals: { "log-probability": 1, "nats a token": 2 } });

// %% [markdown]
// *Think:* which answer does the untrained model find likelier for each token, and does that agree with people?

// %% [markdown]
// **Written question.** Suppose the prompt's tokens were counted as well. Loss, accuracy and margin of the training would come out the same. Why, and where would it
// matter?

// %%
// BEGIN SOLUTION
const promptInTheSum = `Both answers follow the same prompt, so its log-probability is in
both sums and cancels in their difference, which is all that the DPO loss sees. It would
matter for anything that uses one sum alone: logged log-probabilities, means per token, or a
loss on single answers such as fine-tuning.`;
// STUDENT EDITION
// const promptInTheSum = `
//
// `;
// END SOLUTION
question("prompt-in-the-sum", promptInTheSum);

// %% [markdown]
// ## Part 6. Training
//
// Everything is there; one step puts it together. **Exercise 6** (40 minutes) has five numbered places.
//
// | given | what it is |
// |---|---|
// | `policy`, `reference` | models; `model.forward(ids, attentionMask)` gives logits [B, T, V] |
// | `batch` | your `padCollate`'s batch as int32 tensors: `batch.prompt_input_ids`, `batch.prompt_attn_mask`, `batch.chosen_input_ids`, … |
// | `optimizer` | AdamW with clipping; `optimizer.minimize(computeLoss)` calls the function, changes the policy's weights against the gradient of its first result, and returns all of its results |
//
// Each model is run twice, on prompt + chosen and on prompt + rejected. Three tensors are joined along the length for each answer: the ids, the
// attention mask (what the model may look at) and the mask of what counts (the answer only, so zeros over the prompt). `minimize` moves the policy alone: no
// gradient reaches the reference. What is already written around the five places may be changed, too.

// %% [markdown]
// <details><summary>Hint</summary>
//
// `tf.concat([a, b], 1)` joins along the length; `tf.zerosLike(mask)` makes zeros of the same shape. A small helper that returns an answer's
// log-probability under a given model, called four times, does steps 1 to 3 at once.
//
// </details>

// %%
function trainStep(
  policy: LanguageModel,
  reference: LanguageModel,
  optimizer: StepOptimizer,
  batch: BatchTensors,
  beta: number,
): [Scalar, Scalar, Scalar] {
  const computeLoss = (): [Scalar, Scalar, Scalar] => {
    // Step 1: join prompt and each answer: ids, attention mask, mask of what counts.
    // BEGIN SOLUTION: step 1, join prompt and answer along the length
    const join = (answer: "chosen" | "rejected") => ({
      ids: tf.concat([batch.prompt_input_ids, batch[`${answer}_input_ids`]], 1),
      attention: tf.concat([batch.prompt_attn_mask, batch[`${answer}_attn_mask`]], 1),
      counted: tf.concat(
        [tf.zerosLike(batch.prompt_attn_mask), batch[`${answer}_attn_mask`]],
        1,
      ),
    });
    const [chosen, rejected] = [join("chosen"), join("rejected")];
    // END SOLUTION

    // Step 2: run policy and reference on both.
    // BEGIN SOLUTION: step 2, the logits of both models for both answers
    const chosenLogits = policy.forward(chosen.ids, chosen.attention);
    const rejectedLogits = policy.forward(rejected.ids, rejected.attention);
    const refChosenLogits = reference.forward(chosen.ids, chosen.attention);
    const refRejectedLogits = reference.forward(rejected.ids, rejected.attention);
    // END SOLUTION

    // Step 3: log-probabilities of both answers under both models, each [B].
    // BEGIN SOLUTION: step 3, four times getLogProb
    const chosenLogps = getLogProb(chosenLogits, chosen.ids, chosen.counted);
    const rejectedLogps = getLogProb(rejectedLogits, rejected.ids, rejected.counted);
    const refChosenLogps = getLogProb(refChosenLogits, chosen.ids, chosen.counted);
    const refRejectedLogps = getLogProb(refRejectedLogits, rejected.ids, rejected.counted);
    // END SOLUTION

    // Step 4: the loss, with accuracy and margin.
    // BEGIN SOLUTION: step 4, dpoLoss
    return dpoLoss(chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps, beta);
    // END SOLUTION
  };

  // Step 5: one step of the optimiser.
  // BEGIN SOLUTION: step 5, let the optimizer minimize computeLoss, and return its results
  return optimizer.minimize(computeLoss);
  // END SOLUTION
}

// %%
await check("train-step", trainStep);
// BEGIN HIDDEN TESTS
await check("train-step", trainStep, { hidden: true });
// END HIDDEN TESTS

// %% [markdown]
// ### Your step on the real model
//
// Run op by op, a step would be slow. `jit` records the operations of your function once and hands the whole graph to TensorFlow, which
// then runs it in one go, gradients included. It does so for each **shape** that it meets, and a new shape costs about four
// seconds. So batches are widened to multiples of 32 columns: a little more padding, few shapes.

// %%
const batchKeys = [
  "prompt_input_ids",
  "prompt_attn_mask",
  "chosen_input_ids",
  "chosen_attn_mask",
  "rejected_input_ids",
  "rejected_attn_mask",
] as const;

/** The batch of one step as tensors: rows i·B to (i + 1)·B, widened to multiples of 32. */
function batchTensors(step: number): Tensor2D[] {
  const size = settings.loopBatchSize;
  const first = (step * size) % (trainTokens.length - size + 1);
  const batch = padCollate(trainTokens.slice(first, first + size), padTokenId);
  return batchKeys.map((key) => {
    const width = Math.ceil(batch[key][0].length / 32) * 32;
    const widest = new Array<number>(width).fill(0);
    const rows = pad(
      [...batch[key], widest],
      key.endsWith("ids") ? padTokenId : 0,
      key.startsWith("prompt") ? "left" : "right",
    );
    return tf.tensor2d(rows.slice(0, -1), undefined, "int32");
  });
}

const optimizer = new HandOptimizer(policy);
const compiledStep = jit(
  (...tensors: Tensor[]): Tensor[] => {
    const batch = Object.fromEntries(
      batchKeys.map((key, i) => [key, tensors[i]]),
    ) as BatchTensors;
    return trainStep(policy, reference, optimizer, batch, beta);
  },
  { name: "your_step" },
);

// %% [markdown]
// Now run it. The first step also compiles, so its time is not typical; after the second the expected time is printed. The first loss must be
// 0.6931. Press Stop (the square in the toolbar) whenever you like: the loop ends after the step at hand, and nothing is lost.

// %%
const handLog: LogRow[] = [];
const handSeconds: number[] = [];
const handChart = liveChart(() =>
  trainingCurves(handLog, { title: "Your loop", maxSteps: settings.steps }),
);
for await (const i of steps(settings.steps)) {
  const started = performance.now();
  const tensors = batchTensors(i);
  optimizer.next(settings.learningRate); // the learning rate of this step
  const results = compiledStep(...tensors);
  const [loss, accuracy, margin] = await Promise.all(
    results.map(async (result) => (await result.data())[0]),
  );
  tf.dispose([tensors, results]);
  handSeconds.push((performance.now() - started) / 1000);
  handLog.push({
    step: i + 1,
    epoch: ((i + 1) * settings.loopBatchSize) / trainTokens.length,
    loss,
    "rewards/accuracies": accuracy,
    "rewards/margins": margin,
  });
  handChart.update();
  if (i === 1 && settings.steps > 2) {
    expectedTime("the rest of your loop", {
      seconds: handSeconds[1],
      done: 1,
      total: settings.steps - 2,
      unit: "steps",
    });
  }
}
handChart.end();

// %% [markdown]
// The same as a table. The first loss is ln 2, because nothing has changed yet, and the first accuracy 0, because every pair is a tie; from the second step on the
// policy has moved.

// %%
historyFrame(handLog);

// %% [markdown]
// What would the original's 10,884 rows take? Your own pace on this machine says:

// %%
const fastestStep = Math.min(...handSeconds);
const handPairsPerSecond = settings.loopBatchSize / fastestStep;
console.log(`your loop: ${handPairsPerSecond.toFixed(2)} pairs/s`);
console.log(`10,884 rows at this pace: ${inTime(10_884 / handPairsPerSecond)}`);
console.log("original: about an hour on a T4, two minutes on an H100");

// %% [markdown]
// ### The whole training
//
// The loop is right; what is left is patience. The library's `DPOTrainer` computes the same loss (part 10 proves it on your rows) and saves work: the
// prompt is computed once for both answers, the reference's log-probabilities only once for each row, the head only
// where an answer's token is predicted. We put the policy back to its beginning and train on all rows with a learning rate that falls to 0.
//
// Watch three curves. The **loss** leaves 0.6931 downwards. The **accuracy** on held-out rows rises towards 1. The **margin** grows.
// The accuracy of the first step is 0, since all rewards are equal. If it were 1 there, before anything was learnt, something would leak the answer; here it soon comes near
// 1, because these pairs are easy. `healthMonitor` looks for such signs while the log grows, and says under the chart
// what it sees, at which step and who described it. Press Stop whenever you have seen enough: what was reached stays.

// %%
policy.copyWeightsFrom(reference);
optimizer.dispose();
compiledStep.dispose();

const trainer = new DPOTrainer({
  model: policy,
  refModel: reference,
  tokenizer,
  trainDataset: trainRows,
  evalDataset: heldOutRows,
  args: {
    beta,
    learningRate: settings.learningRate,
    numTrainEpochs: settings.epochs,
    perDeviceTrainBatchSize: settings.batchSize,
    maxPromptLength: settings.maxPromptLength,
    maxCompletionLength,
    loggingSteps: 1,
    evalSteps: 20,
    precision,
    seed,
  },
  callbacks: [
    expectedTimeCallback("the rest of the training"),
    progressCallback(),
    liveTrainingChart({ title: "DPO" }),
    healthMonitor(),
  ],
});
console.log(`the trainer computes in ${trainer.args.precision}`);
const trainResult = await trainer.train();

// %% [markdown]
// The last rows of the log, under the names that TRL gives them. `eval_…` are the held-out rows. What a row does not measure stands as NaN: training and evaluation
// have rows of their own.

// %%
const trainingFrame = historyFrame(trainer.state.logHistory);
table(trainingFrame.tail(6));

// %%
const lastEvaluation =
  trainer.state.logHistory.findLast((row) => "eval_loss" in row) ?? (await trainer.evaluate())!;
const trainerPairsPerSecond = trainResult.metrics.train_samples_per_second;
table(
  [
    { measured: "held-out reward accuracy", value: lastEvaluation["eval_rewards/accuracies"] },
    { measured: "held-out reward margin", value: lastEvaluation["eval_rewards/margins"] },
    { measured: "pairs a second", value: trainerPairsPerSecond },
    { measured: "hours for 10,884 rows", value: 10_884 / trainerPairsPerSecond / 3600 },
  ],
  { decimals: 3 },
);

// %% [markdown]
// *Think:* if the health monitor remarked on something, find it in the curves. A margin can grow because the chosen answers become likelier, or because the
// rejected ones become less likely faster than the chosen ones do. Which of the two happened here, and would you have seen it in the loss?
//
// *Think:* which is the honest figure for "how well did it learn", training accuracy or held-out accuracy, and how large is the gap?

// %% [markdown]
// ## Part 7. Before and after
//
// The same question, the same seed, both models. One answer is made token by token, about a dozen a second on two cores,
// so this takes under a minute.

// %%
const sampling: GenerateOptions = {
  maxNewTokens: settings.maxNewTokens,
  doSample: true,
  temperature: 0.7,
  topP: 0.95,
  seed,
};
const [before] = await ask(reference, [firstPrompt], sampling);
const [after] = await ask(policy, [firstPrompt], sampling);
sideBySide(
  [
    { title: "before", text: before },
    { title: "after", text: after },
  ],
  { caption: firstPrompt },
);

// %% [markdown]
// One answer proves little. So both models answer held-out prompts, and we count three things that can be counted:
//
// - answers in which the model speaks as a program ("as an AI", "I'm designed to"),
// - informal words and signs for each hundred words ("oh", "honestly", an emoji),
// - **distinct-3**, the share of different triples among all triples of words: it falls when a model begins to repeat itself.
//
// Sampling all of it takes one to two minutes.

// %%
const samplePrompts = heldOutRows.slice(0, settings.samples).map((row) => row.prompt);
const answersBefore = await ask(reference, samplePrompts, sampling);
const answersAfter = await ask(policy, samplePrompts, sampling);

// %%
const asProgram = new RegExp(
  "\\b(?:AI|artificial intelligence|language model|chatbot|(?:virtual|digital) assistant)\\b" +
    "|\\b[Ii](?:'m| am) (?:designed|programmed|trained|here to (?:help|assist|support))\\b" +
    "|\\b[Ii] (?:do not|don't) have (?:personal|feelings|emotions|a body|preferences|the (?:ability|capability))",
);
const informalWords =
  "oh|ah|haha|ha|hey|hmm|honestly|yeah|yep|nope|ugh|ew|wow|whoa|okay|ok|kinda|gonna|gotta|wanna|" +
  "stuff|tons|funny|weird|crazy|tbh|man|guys|folks|you know|i mean|i guess|a bit of|kind of|" +
  "sort of|pretty much|no idea|as hell|super";
const informal = new RegExp(`\\b(?:${informalWords})\\b|\\p{Extended_Pictographic}`, "giu");
const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];

function manner(answers: string[]): {
  "as a program": number;
  "informal per 100 words": number;
  "distinct-3": number;
  "words an answer": number;
} {
  const triples = answers.flatMap((answer) =>
    words(answer)
      .slice(2)
      .map((_, i) =>
        words(answer)
          .slice(i, i + 3)
          .join(" "),
      ),
  );
  const total = answers.reduce((sum, answer) => sum + words(answer).length, 0);
  return {
    "as a program": answers.filter((answer) => asProgram.test(answer)).length / answers.length,
    "informal per 100 words":
      (100 * answers.reduce((sum, answer) => sum + (answer.match(informal)?.length ?? 0), 0)) /
      Math.max(1, total),
    "distinct-3": new Set(triples).size / Math.max(1, triples.length),
    "words an answer": total / answers.length,
  };
}
table(
  [
    { model: "before", ...manner(answersBefore) },
    { model: "after", ...manner(answersAfter) },
  ],
  {
    decimals: 2,
    caption: `${samplePrompts.length} held-out prompts, seed ${seed}`,
  },
);

// %%
table(
  samplePrompts
    .slice(0, 4)
    .map((prompt, i) => ({ prompt, before: answersBefore[i], after: answersAfter[i] })),
  { maxText: 400 },
);

// %% [markdown]
// *Think:* did the model find the thing you bet on at the start? What got worse?

// %% [markdown]
// ## Part 8. Saving
//
// The folder below is a Hugging Face checkpoint: Python's `AutoModelForCausalLM.from_pretrained` loads it. Its `README.md` is the model card: task, data,
// settings and how good it got, so that somebody else can tell what they hold. Writing takes a few seconds and half a gigabyte of disk; the trainer
// is let go first, which frees a gigabyte of memory.

// %%
const checkpoint = runFolder("01-dpo");
const card = `---
license: apache-2.0
base_model: ${modelId}
tags: [dpo, alignlab]
---
# ${modelId} after DPO

Trained with direct preference optimisation on ${trainRows.length} pairs of \`${dataId}\`.
Beta ${beta}, learning rate ${settings.learningRate}, ${settings.epochs} epochs,
batches of ${settings.batchSize}, seed ${seed}.

| held-out pairs | ${heldOutRows.length} |
|---|---|
| reward accuracy | ${lastEvaluation["eval_rewards/accuracies"].toFixed(3)} |
| reward margin | ${lastEvaluation["eval_rewards/margins"].toFixed(3)} |

> ${firstPrompt}

${after}
`;
trainer.dispose();
await saveModel(checkpoint, { model: policy, tokenizer, generationConfig }, { card });
console.log(`saved to ${checkpoint}`);

// %% [markdown]
// Later notebooks go on from here. `store.put(name, …)` keeps a model, rows or a value under a name in `runs/store`, and `store.get` finds it from any notebook.

// %%
await store.put("dpo-policy", { model: policy, tokenizer });
await store.put("dpo-log", trainer.state.logHistory);
store.list();

// %% [markdown]
// With a token of the Hugging Face hub in the environment variable `HF_TOKEN` and a name in `ALIGNLAB_PUSH`, for example
// `yourname/smollm2-human-like`, the checkpoint is pushed. Without them this cell says so.

// %%
const pushTo = process.env.ALIGNLAB_PUSH;
if (pushTo && process.env.HF_TOKEN) {
  console.log(`pushed to ${await pushToHub(checkpoint, pushTo)}`);
} else {
  console.log("not pushed: HF_TOKEN and ALIGNLAB_PUSH are not both set");
}

// %% [markdown]
// ## Part 9. What changed inside
//
// Does the final model find its training data more likely? Every token of a text has a log-probability; here are all of them, for training rows and for
// texts of another kind that nobody trained on, under both models. The function below is your `getLogProb` without the sum.

// %%
const tokenLogProbs = jit(
  (policyIds: Tensor, attention: Tensor): Tensor[] =>
    [reference, policy].map((model) => {
      const ids = policyIds as Tensor2D;
      const [batch, length] = ids.shape;
      const logProbs = tf.logSoftmax(
        tf.slice(model.forward(ids, attention as Tensor2D), [0, 0, 0], [batch, length - 1, -1]),
      );
      return tf.sum(
        tf.mul(
          logProbs,
          tf.oneHot(tf.slice(ids, [0, 1], [batch, length - 1]), logProbs.shape[2]!),
        ),
        -1,
      );
    }),
  { name: "token_log_probs" },
);

/** Log-probabilities under [reference, policy] of each text's tokens from position `from` on. */
async function logProbsOf(
  texts: { ids: number[]; from: number }[],
): Promise<[number[], number[]]> {
  const collected: [number[], number[]] = [[], []];
  for (let first = 0; first < texts.length; first += 4) {
    const part = texts.slice(first, first + 4);
    const width = new Array<number>(
      Math.ceil(Math.max(...part.map(({ ids }) => ids.length)) / 64) * 64,
    ).fill(0);
    const ids = tf.tensor2d(
      pad([...part.map((text) => text.ids), width], padTokenId, "right").slice(0, -1),
      undefined,
      "int32",
    );
    const attention = tf.tensor2d(
      pad([...part.map((text) => text.ids.map(() => 1)), width], 0, "right").slice(0, -1),
      undefined,
      "int32",
    );
    const results = tokenLogProbs(ids, attention);
    for (const [which, result] of results.entries()) {
      const rows = (await result.array()) as number[][];
      part.forEach((text, row) =>
        collected[which].push(...rows[row].slice(text.from - 1, text.ids.length - 1)),
      );
    }
    tf.dispose([ids, attention, results]);
  }
  return collected;
}

// %% [markdown]
// The same number of training rows and unseen texts. This takes about a minute.

// %%
const unseenTexts = (
  await loadRows("human-like", { split: "unseen", limit: settings.unseenRows })
).map((row) => tokenizer.encode(String(row.text)).slice(0, settings.maxLength));
const unseen = unseenTexts.map((ids) => ({ ids, from: 1 }));
const answersOf = (column: "chosen_input_ids" | "rejected_input_ids") =>
  trainTokens
    .slice(0, settings.unseenRows)
    .map((row) => ({
      ids: [...row.prompt_input_ids, ...row[column]],
      from: row.prompt_input_ids.length,
    }));

const [chosenBefore, chosenAfter] = await logProbsOf(answersOf("chosen_input_ids"));
const [rejectedBefore, rejectedAfter] = await logProbsOf(answersOf("rejected_input_ids"));
const [unseenBefore, unseenAfter] = await logProbsOf(unseen);

// %%
histogram({
  title: "Training rows, chosen answers",
  x: { label: "log-probability of a token", unit: "nats" },
  samples: [
    { name: "reference", values: chosenBefore },
    { name: "after DPO", values: chosenAfter },
  ],
});

// %%
histogram({
  title: "Unseen text of other kinds",
  x: { label: "log-probability of a token", unit: "nats" },
  samples: [
    { name: "reference", values: unseenBefore },
    { name: "after DPO", values: unseenAfter },
  ],
});

// %%
const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
table(
  [
    {
      text: "chosen answers",
      tokens: chosenBefore.length,
      before: mean(chosenBefore),
      after: mean(chosenAfter),
      change: mean(chosenAfter) - mean(chosenBefore),
    },
    {
      text: "rejected answers",
      tokens: rejectedBefore.length,
      before: mean(rejectedBefore),
      after: mean(rejectedAfter),
      change: mean(rejectedAfter) - mean(rejectedBefore),
    },
    {
      text: "unseen texts",
      tokens: unseenBefore.length,
      before: mean(unseenBefore),
      after: mean(unseenAfter),
      change: mean(unseenAfter) - mean(unseenBefore),
    },
  ],
  {
    caption: "Mean log-probability of a token, nats",
    decimals: { before: 3, after: 3, change: 3 },
  },
);

// %% [markdown]
// **Written question.** Look at the histograms. Does the trained model find the training answers more likely than before? What about the unseen text, and what does
// the loss have to say on it?

// %%
// BEGIN SOLUTION
const likelierAfter = `The table's last column answers it. The loss asks only that chosen
answers gain on rejected ones, so the difference of the two changes must be positive, while
each by itself may fall. What happens to unseen text of other kinds shows how far the change
reaches beyond the answers that were trained on.`;
// STUDENT EDITION
// const likelierAfter = `
//
// `;
// END SOLUTION
question("training-data-likelier", likelierAfter);

// %% [markdown]
// ## Part 10. The library's fast path
//
// Is the library's trainer really the same computation as yours? Both start from the same weights, take the same rows in the same order and the
// same learning rate, in float32. Your losses are those of part 6. They must agree to 1e-4. The library goes over the rows twice, so that its
// second time is free of compiling and can be timed.

// %%
const again = await reference.clone();
const compared = Math.min(handLog.length, 4);
const librarySeconds: number[] = [];
let stepBegan = 0;
const sameRows = new DPOTrainer({
  model: again,
  refModel: reference,
  tokenizer,
  trainDataset: trainRows.slice(0, compared * settings.loopBatchSize),
  args: {
    beta,
    learningRate: settings.learningRate,
    lrSchedulerType: "constant",
    maxSteps: 2 * compared,
    perDeviceTrainBatchSize: settings.loopBatchSize,
    maxPromptLength: settings.maxPromptLength,
    maxCompletionLength,
    shuffle: false,
    groupByLength: false,
    loggingSteps: 1,
    precision: "float32",
  },
  callbacks: [
    {
      onStepBegin: () => void (stepBegan = performance.now()),
      onStepEnd: () => void librarySeconds.push((performance.now() - stepBegan) / 1000),
    },
  ],
});
await sameRows.train();
const libraryLog = sameRows.state.logHistory;

// %%
table(
  handLog
    .slice(0, compared)
    .map((row, i) => ({
      step: row.step,
      "your loss": row.loss,
      "library's loss": libraryLog[i].loss,
      difference: Math.abs(row.loss - libraryLog[i].loss),
    })),
  { decimals: 6 },
);

// %%
const worst = Math.max(
  ...handLog.slice(0, compared).map((row, i) => Math.abs(row.loss - libraryLog[i].loss)),
);
if (!(worst < 1e-4))
  throw new Error(`The losses differ by ${worst}; the two computations are not the same.`);
const libraryPairsPerSecond = settings.loopBatchSize / Math.min(...librarySeconds);
table(
  [
    { path: "your loop, float32", "pairs/s": handPairsPerSecond, "times faster": 1 },
    {
      path: "library, float32",
      "pairs/s": libraryPairsPerSecond,
      "times faster": libraryPairsPerSecond / handPairsPerSecond,
    },
    {
      path: `library, ${trainer.args.precision}, whole run`,
      "pairs/s": trainerPairsPerSecond,
      "times faster": trainerPairsPerSecond / handPairsPerSecond,
    },
  ],
  { decimals: 2, caption: `Largest difference of the losses: ${worst.toExponential(1)}` },
);

// %% [markdown]
// *Think:* of the savings named in part 6, which one do you expect to matter most for long prompts, and which for long answers?

// %% [markdown]
// ## Part 11. For whoever marks the work
//
// The saved checkpoint, loaded afresh, answers greedily: the same text every time. Then all checks of the notebook run once more.

// %%
sameRows.dispose();
again.dispose();
const { model: loaded } = await loadModel(checkpoint);
const greedily: GenerateOptions = { maxNewTokens: Math.min(100, settings.maxNewTokens) };
const [greedyReference] = await ask(reference, [firstPrompt], greedily);
const [greedy] = await ask(loaded, [firstPrompt], greedily);
sideBySide(
  [
    { title: modelId, text: greedyReference },
    { title: "01-dpo, as saved", text: greedy },
  ],
  { caption: firstPrompt },
);

// %%
await check("apply-chat-template", applyChatTemplate);
await check("tokenize-row", tokenizeRow);
await check("pad", pad);
await check("pad-collate", padCollate);
await check("dpo-loss", dpoLoss);
await check("get-log-prob", getLogProb);
await check("train-step", trainStep);

// %% [markdown]
// How far you have come, notebook by notebook. `progress.reset()` begins the count anew.

// %%
progress();

// %% [markdown]
// What you have now: a loss of one line, a model that it changed, and a measure of what it changed. Notebook 02 trains a reward model on the same pairs
// and reaches the same manner by another road.
