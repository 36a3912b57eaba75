export { tf } from "./engine/backend";
export { BACKENDS, BackendError, type BackendName } from "./engine/choice";
export { batchBucket, promptBucket, roundUp } from "./engine/buckets";
export { display, clearOutput, steps, stopSignal, tick, StopError, type MimeBundle } from "./engine/host";
export { engineInfo, engineMemory, type EngineInfo } from "./engine/info";
export { jit, type JitFunction, type JitOptions, type TraceInfo } from "./engine/jit";
export { engineFunctions, type NativeCounts } from "./engine/nativeCounts";
export { bfloat16Support, resolvePrecision, type Bfloat16Support } from "./engine/precision";
export { LeakError } from "./engine/sentinel";
export type { Precision } from "./engine/recorder";
export { RandomSource } from "./engine/random";
export { dropout, multinomial, statelessGamma, statelessNormal, statelessTruncatedNormal, statelessUniform, statelessUniformInt, type Seed } from "./engine/stateless";

export { PACKAGED_MODEL, cacheDir } from "./hub/cache";
export type { HfConfig } from "./hub/config";
export { openGguf, type Gguf, type GgufTensor } from "./hub/gguf";
export { openSafetensors, type Dtype, type Safetensors } from "./hub/safetensors";
export { pushToHub, type PushOptions } from "./hub/push";
export { saveModelFolder, type ModelToSave, type SavedDtype } from "./hub/save";
export { openModel, type ModelFiles, type ModelTensors, type OpenModelOptions } from "./hub/source";
export { writeSafetensors, type TensorToWrite } from "./hub/writeSafetensors";

export { bootstrapDifference, bootstrapMean, type BootstrapOptions } from "./stats/bootstrap";
export { bradleyTerry, type Comparison } from "./stats/bradleyTerry";
export { meanInterval, wilson, type Interval } from "./stats/interval";
export { kendallTau } from "./stats/kendall";
export { krippendorffAlpha, type MeasurementLevel } from "./stats/krippendorff";
export { plackettLuce } from "./stats/plackettLuce";
export type { Strength, StrengthOptions } from "./stats/strengths";

export { toImplicitPromptPreferences, type ImplicitPromptPair, type PromptedPair } from "./data/implicitPrompt";
export { mergeMessages, processItem } from "./data/messages";
export { loadPreferenceRows, validatePreferenceRows, type PreferenceRow } from "./data/preference";
export { comparedTexts, loadRankingRows, questionAndAnswer, rankingPairs, validateRankingRows, type ComparedTexts, type ComparisonRow, type RankingPairsOptions, type RankingRow } from "./data/rankingRows";
export { loadRatedRows, validateRatedRows, type RatedRow } from "./data/ratedRows";
export { loadRows, type LoadRowsOptions, type Row } from "./data/rows";
export { shuffleRows, splitRows } from "./data/split";

export { pad, padCollate, type PreferenceBatch } from "./tokens/collate";
export { applyChatTemplate, tokenizeRow, tokenizeRows, type TokenizeOptions, type TokenizedRow } from "./tokens/preference";
export { Tokenizer, type Message } from "./tokens/tokenizer";

export { packPairs, type PackedPairs } from "./tokens/packing";
export { packSequences, type PackedSequences } from "./tokens/packSequences";
export { tokenizeSFTRow, tokenizeSFTRows, type LabelledRow, type SFTRow, type SFTTokenizeOptions } from "./tokens/sft";
export { tokenizeRewardRows, type RewardRow, type ScoredRow } from "./tokens/rewardRows";

export { LlamaForSequenceClassification } from "./model/classification";
export type { FreshHead } from "./model/classifierHead";
export { parseLlamaConfig, UnsupportedModelError, type LlamaConfig } from "./model/config";
export { LlamaForCausalLM } from "./model/llama";
export { addLora, LORA_DEFAULTS, LORA_TARGETS, Lora, type LoraConfig, type LoraTarget } from "./model/lora";
export { loadAdapter, saveAdapter, type SaveAdapterOptions } from "./model/loraFiles";
export { loadModel, saveModel, type LoadedModel, type ModelParts, type SaveOptions } from "./model/load";
export { loadSequenceClassifier, type LoadedClassifier } from "./model/loadClassifier";

export { reliability, type Reliability, type ReliabilityBin } from "./loss/calibration";
export { dpoLoss } from "./loss/dpo";
export { getLogProb, tokenLogps } from "./loss/logps";
export { supportedDivergences, type DivergenceType } from "./loss/divergence";
export type { PairLogps } from "./loss/pair";
export { lossNeedsLengths, pairLosses, preferenceLoss, supportedLosses, type LossType, type PreferenceLossOptions } from "./loss/preference";
export { expectedRating, probabilisticRewardLoss, pWin, pWinLogOdds, ratingMetrics, ratingSummary, type RatingMetrics, type RatingSummary } from "./loss/ratings";
export { rewardLoss, rewardLosses, rewardModelMetrics, type PairRewards, type RewardLossOptions, type RewardModelMetrics } from "./loss/reward";
export { rewardMetrics, type RewardMetrics } from "./loss/rewards";
export { sftLoss } from "./loss/sft";
export { rateTexts, TextRater, type TextRaterOptions, type TextRating } from "./loss/textRater";

export { generate, type FinishReason, type Generated } from "./generate/generate";
export type { GenerateOptions, GenerationStep } from "./generate/options";
export { compareDecodeWeights, perplexity, type DecodeWeightsRow } from "./generate/perplexity";
export { fasterPrecision, measurePrecision, type PrecisionRow } from "./generate/precision";
export { disposeGeneration } from "./generate/session";
export { generateText, type GenerateTextOptions } from "./generate/text";
export { DECODE_WEIGHTS, type DecodeWeights } from "./generate/weights";

export { TRAINING_DEFAULTS, type TrainingArguments } from "./step/arguments";
export type { LogRow, TrainerCallback, TrainerState } from "./step/callbacks";
export { DPO_DEFAULTS, DPOTrainer, type DPOConfig, type DPOTrainerOptions } from "./step/dpoTrainer";
export { MemoryError, type MemoryAdvice } from "./step/memoryAdvice";
export { planMemory, type MemoryArguments, type MemoryParts, type MemoryPlan, type MemoryPlanOptions } from "./step/memoryPlan";
export type { StepShapes } from "./step/memoryCounts";
export { AdamW, AdamW8bit, SGD, clipFactor, globalNorm, type AdamWOptions, type AdamW8bitOptions, type Optimizer, type OptimizerName, type ParameterGroup, type SGDOptions } from "./step/optimizer";
export { RATING_DEFAULTS, RatingTrainer, type HeldOutRatings, type RatingConfig, type RatingTrainerOptions } from "./step/ratingTrainer";
export { REWARD_DEFAULTS, RewardTrainer, type HeldOutRewards, type RewardConfig, type RewardTrainerOptions } from "./step/rewardTrainer";
export { SFT_DEFAULTS, SFTTrainer, type SFTConfig, type SFTTrainerOptions } from "./step/sftTrainer";
export { scheduleFactor, type SchedulerType } from "./step/schedule";
export { CheckpointError } from "./step/resume";
export { readSamples, type Sample, type SampleOptions } from "./step/run/samples";
export { TrainingDivergedError, type TrainOptions, type TrainOutput } from "./step/trainer";

export { historyFrame } from "./log/frame";
export { checkHealth, type HealthFinding } from "./log/health/health";
export { healthMonitor } from "./log/health/monitor";
export { HEALTH_RULES, type HealthRule } from "./log/health/rules";
export { jsonlCallback, readJsonl, writeJsonl } from "./step/jsonl";
export { memoryTable } from "./log/memoryTable";
export { progressBar, progressCallback, type ProgressBar } from "./log/progress";
export { sideBySide, table, type Table, type TableOptions } from "./log/table";

export { barChart, type BarChartOptions } from "./chart/bar";
export { beside, type BesideOptions } from "./chart/beside";
export { calibrationChart, type CalibrationOptions } from "./chart/calibration";
export { compareRuns, type CompareRunsOptions, type RunComparison } from "./chart/compareRuns";
export { confusionMatrix, type ConfusionOptions } from "./chart/confusion";
export { ecdf, histogram, type HistogramOptions } from "./chart/distribution";
export type { Figure } from "./chart/figure";
export { frontierChart, type FrontierOptions } from "./chart/frontier";
export { heatmap, type HeatmapOptions } from "./chart/heatmap";
export { lengthChart, type LengthsOptions } from "./chart/lengths";
export { lineChart, type LineChartOptions, type LineSeries } from "./chart/line";
export { liveChart, liveTrainingChart, type LiveChart } from "./chart/live";
export { rewardChart, type RewardsOptions } from "./chart/rewards";
export { ridges, type RidgesOptions } from "./chart/ridges";
export { scatterChart, type ScatterChartOptions } from "./chart/scatter";
export { show } from "./chart/show";
export { tokenHeatmap, type TokenHeatmapOptions, type TokenPassage } from "./chart/tokens";
export { trainingCurves, type TrainingCurvesOptions } from "./chart/training";

export { announceRun, expectedTime, expectedTimeCallback, inTime, type RunDescription } from "./exercises/announce";
export { check, CheckError, hint } from "./exercises/check";
export { exercise, type Exercise, type ExerciseDefinition, type Mistake, type Trial } from "./exercises/exercise";
export { runFolder } from "./exercises/folders";
export { HandOptimizer, type BatchTensors, type LanguageModel, type StepOptimizer } from "./exercises/handTraining";
export { profile, profileName, type ProfileName, type Settings } from "./exercises/profile";
export { progress } from "./exercises/progress";
export { question } from "./exercises/question";
export { store, StoreError, type GetOptions, type Store } from "./exercises/store";
export { todo, TodoError } from "./exercises/todo";
