export { tf } from "./engine/backend";
export { display, clearOutput, steps, stopSignal, tick, StopError, type MimeBundle } from "./engine/host";
export { engineInfo, engineMemory, type EngineInfo } from "./engine/info";
export { LeakError } from "./engine/sentinel";
export { jit, type JitFunction, type JitOptions } from "./engine/jit";
export type { Precision } from "./engine/recorder";
export { RandomSource } from "./engine/random";

export { PACKAGED_MODEL, cacheDir } from "./hub/cache";
export type { HfConfig } from "./hub/config";
export { openGguf, type Gguf, type GgufTensor } from "./hub/gguf";
export { openSafetensors, type Dtype, type Safetensors } from "./hub/safetensors";
export { pushToHub, type PushOptions } from "./hub/push";
export { saveModelFolder, type ModelToSave, type SavedDtype } from "./hub/save";
export { openModel, type ModelFiles, type ModelTensors, type OpenModelOptions } from "./hub/source";
export { writeSafetensors, type TensorToWrite } from "./hub/writeSafetensors";

export { loadPreferenceRows, validatePreferenceRows, type PreferenceRow } from "./data/preference";
export { loadRows, type LoadRowsOptions, type Row } from "./data/rows";
export { shuffleRows, splitRows } from "./data/split";

export { pad, padCollate, type PreferenceBatch } from "./tokens/collate";
export { applyChatTemplate, tokenizeRow, tokenizeRows, type TokenizeOptions, type TokenizedRow } from "./tokens/preference";
export { Tokenizer, type Message } from "./tokens/tokenizer";

export { packPairs, type PackedPairs } from "./tokens/packing";

export { parseLlamaConfig, UnsupportedModelError, type LlamaConfig } from "./model/config";
export { LlamaForCausalLM } from "./model/llama";
export { loadModel, saveModel, type LoadedModel, type SaveOptions } from "./model/load";

export { dpoLoss } from "./loss/dpo";
export { getLogProb, tokenLogps } from "./loss/logps";
export { supportedDivergences, type DivergenceType } from "./loss/divergence";
export type { PairLogps } from "./loss/pair";
export { lossNeedsLengths, pairLosses, preferenceLoss, supportedLosses, type LossType, type PreferenceLossOptions } from "./loss/preference";
export { rewardMetrics, type RewardMetrics } from "./loss/rewards";

export { generate, type FinishReason, type Generated } from "./generate/generate";
export type { GenerateOptions } from "./generate/options";
export { disposeGeneration } from "./generate/session";
export { generateText, type GenerateTextOptions } from "./generate/text";

export { TRAINING_DEFAULTS, type TrainingArguments } from "./step/arguments";
export type { LogRow, TrainerCallback, TrainerState } from "./step/callbacks";
export { DPO_DEFAULTS, DPOTrainer, type DPOConfig, type DPOTrainerOptions } from "./step/dpoTrainer";
export { MemoryError, type MemoryAdvice } from "./step/memoryAdvice";
export { planMemory, type MemoryArguments, type MemoryParts, type MemoryPlan, type MemoryPlanOptions } from "./step/memoryPlan";
export type { StepShapes } from "./step/memoryCounts";
export { AdamW, clipFactor, globalNorm, type AdamWOptions } from "./step/optimizer";
export { TrainingDivergedError, type TrainOutput } from "./step/trainer";

export { historyFrame } from "./log/frame";
export { jsonlCallback, readJsonl, writeJsonl } from "./log/jsonl";
export { memoryTable } from "./log/memoryTable";
export { progressBar, progressCallback, type ProgressBar } from "./log/progress";
export { sideBySide, table, type Table, type TableOptions } from "./log/table";

export { barChart, type BarChartOptions } from "./chart/bar";
export { ecdf, histogram, type HistogramOptions } from "./chart/distribution";
export type { Figure } from "./chart/figure";
export { heatmap, type HeatmapOptions } from "./chart/heatmap";
export { lineChart, type LineChartOptions, type LineSeries } from "./chart/line";
export { liveChart, liveTrainingChart, type LiveChart } from "./chart/live";
export { scatterChart, type ScatterChartOptions } from "./chart/scatter";
export { show } from "./chart/show";
export { trainingCurves, type TrainingCurvesOptions } from "./chart/training";

export { announceRun, expectedTime, expectedTimeCallback, inTime, type RunDescription } from "./exercises/announce";
export { check, CheckError, hint } from "./exercises/check";
export { exercise, type Exercise, type ExerciseDefinition, type Mistake, type Trial } from "./exercises/exercise";
export { runFolder } from "./exercises/folders";
export { HandOptimizer, type BatchTensors, type LanguageModel, type StepOptimizer } from "./exercises/handTraining";
export { profile, profileName, type ProfileName, type Settings } from "./exercises/profile";
export { question } from "./exercises/question";
export { todo, TodoError } from "./exercises/todo";
