import assert from "node:assert/strict";
import { test } from "node:test";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import { TRAINING_DEFAULTS, trainingArguments, type TrainingArguments } from "../../src/step/arguments";
import { epochBatches } from "../../src/step/batches";
import { DPO_DEFAULTS } from "../../src/step/dpoTrainer";
import { planSteps } from "../../src/step/stepPlan";

const lengths = Array.from({ length: 203 }, (_, i) => 10 + ((i * 37) % 101));
const args = { perDeviceTrainBatchSize: 8, shuffle: true, groupByLength: true, seed: 3 };

test("an epoch holds every row once, in full batches but one", () => {
  for (const shuffle of [true, false]) for (const groupByLength of [true, false]) {
    const batches = epochBatches(lengths, 0, { ...args, shuffle, groupByLength });
    assert.deepEqual(batches.flat().sort((a, b) => a - b), lengths.map((_, row) => row));
    assert.deepEqual(batches.map((batch) => batch.length).sort((a, b) => a - b), [3, ...new Array<number>(25).fill(8)]);
  }
});

test("the order follows from seed and epoch", () => {
  assert.deepEqual(epochBatches(lengths, 1, args), epochBatches(lengths, 1, args));
  assert.notDeepEqual(epochBatches(lengths, 0, args), epochBatches(lengths, 1, args));
  assert.notDeepEqual(epochBatches(lengths, 0, args), epochBatches(lengths, 0, { ...args, seed: 4 }));
  assert.deepEqual(epochBatches(lengths, 5, { ...args, shuffle: false, groupByLength: false }).flat(), lengths.map((_, row) => row));
});

test("grouping puts rows of like length together, without sorting the epoch", () => {
  const spread = (batches: number[][]): number => batches.reduce((sum, batch) => sum + Math.max(...batch.map((row) => lengths[row]!)) - Math.min(...batch.map((row) => lengths[row]!)), 0) / batches.length;
  const grouped = epochBatches(lengths, 0, args);
  assert.ok(spread(grouped) < spread(epochBatches(lengths, 0, { ...args, groupByLength: false })) / 4);
  const firsts = grouped.map(([row]) => lengths[row!]!);
  assert.notDeepEqual(firsts, [...firsts].sort((a, b) => a - b));
});

test("each batch of a plan comes as often in a row as asked, and the last ones are cut where the run ends", () => {
  const own = { ...TRAINING_DEFAULTS, ...args };
  const plain = planSteps(lengths, 4, own);
  assert.deepEqual(planSteps(lengths, 8, own, 3), [0, 0, 0, 1, 1, 1, 2, 2].map((batch) => plain[batch]));
});

test("arguments: defaults are filled in and undefined leaves them", () => {
  assert.deepEqual(trainingArguments({}, TRAINING_DEFAULTS), TRAINING_DEFAULTS);
  assert.deepEqual(trainingArguments({ learningRate: 2e-5, seed: undefined } as Partial<TrainingArguments>, TRAINING_DEFAULTS), { ...TRAINING_DEFAULTS, learningRate: 2e-5 });
  assert.equal(trainingArguments({ outputDir: "runs/x", saveSteps: 5 }, TRAINING_DEFAULTS).outputDir, "runs/x");
});

test("arguments: where there is no bfloat16 a run is planned in float32", () => {
  const [given, warn] = [process.env[BFLOAT16_VARIABLE], console.warn];
  console.warn = () => undefined;
  try {
    const planned = (variable: string): unknown[] => {
      process.env[BFLOAT16_VARIABLE] = variable;
      return (["bfloat16", "float16", "float32"] as const).map((precision) => trainingArguments({ precision }, TRAINING_DEFAULTS).precision);
    };
    assert.deepEqual(planned("0"), ["float32", "float16", "float32"]);
    assert.deepEqual(planned("1"), ["bfloat16", "float16", "float32"]);
  } finally {
    console.warn = warn;
    if (given === undefined) delete process.env[BFLOAT16_VARIABLE];
    else process.env[BFLOAT16_VARIABLE] = given;
  }
});

test("arguments: what cannot be run is refused by name and value", () => {
  const refused = (given: object, message: RegExp): void => assert.throws(() => trainingArguments(given, DPO_DEFAULTS), (error) => error instanceof RangeError && message.test(error.message), JSON.stringify(given));
  refused({ learningrate: 1 }, /args\.learningrate is not a training argument\. Known are: outputDir, learningRate,.*beta/);
  refused({ perDeviceTrainBatchSize: 0 }, /args\.perDeviceTrainBatchSize is 0; a whole number above 0 is needed/);
  refused({ gradientAccumulationSteps: 1.5 }, /gradientAccumulationSteps is 1\.5/);
  refused({ loggingSteps: -1 }, /loggingSteps is -1/);
  refused({ learningRate: NaN }, /learningRate is NaN/);
  refused({ learningRate: "2e-5" }, /learningRate is 2e-5; a number, 0 or above, is needed/);
  refused({ weightDecay: -0.1 }, /weightDecay is -0\.1/);
  refused({ seed: -1 }, /seed is -1/);
  refused({ numTrainEpochs: 0 }, /numTrainEpochs is 0/);
  refused({ numTrainEpochs: Infinity }, /numTrainEpochs is Infinity/);
  refused({ maxSteps: 0 }, /maxSteps is 0/);
  refused({ maxSteps: -2 }, /maxSteps is -2/);
  refused({ adamBeta1: 1 }, /adamBeta1 is 1/);
  refused({ lrSchedulerType: "cosinus" }, /lrSchedulerType is cosinus; "linear", "cosine", "constant" or "constant_with_warmup" is needed/);
  refused({ lrSchedulerType: "constant", warmupSteps: 5 }, /warmupSteps is 5; 0, or lrSchedulerType "constant_with_warmup", is needed/);
  refused({ precision: "float64" }, /precision is float64; "float32", "bfloat16" or "float16" is needed/);
  refused({ optim: "adam" }, /optim is adam; "adamw_torch", "adamw_8bit" or "sgd" is needed/);
  refused({ sgdMomentum: 0.9 }, /optim is adamw_torch; "sgd", the only one with sgdMomentum and sgdNesterov, is needed/);
  refused({ optim: "sgd", sgdMomentum: -1 }, /sgdMomentum is -1/);
  refused({ optim: "sgd", sgdNesterov: true }, /sgdMomentum is 0; a number above 0 for sgdNesterov is needed/);
  refused({ gradientCheckpointing: "yes" }, /gradientCheckpointing is yes; true or false is needed/);
  refused({ saveSteps: 10 }, /outputDir is undefined; a folder for the checkpoints/);
  refused({ saveTotalLimit: 0 }, /saveTotalLimit is 0; a whole number above 0, or null to keep all,/);
});
