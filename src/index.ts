export { RandomSource } from "./engine/random";

export { PACKAGED_MODEL, cacheDir } from "./hub/cache";
export type { HfConfig } from "./hub/config";
export { openGguf, type Gguf, type GgufTensor } from "./hub/gguf";
export { openSafetensors, type Dtype, type Safetensors } from "./hub/safetensors";
export { saveModelFolder, type ModelToSave, type SavedDtype } from "./hub/save";
export { openModel, type ModelFiles, type ModelTensors, type OpenModelOptions } from "./hub/source";
export { writeSafetensors, type TensorToWrite } from "./hub/writeSafetensors";

export { loadPreferenceRows, validatePreferenceRows, type PreferenceRow } from "./data/preference";
export { loadRows, type LoadRowsOptions, type Row } from "./data/rows";
export { shuffleRows, splitRows } from "./data/split";

export { pad, padCollate, type PreferenceBatch } from "./tokens/collate";
export { applyChatTemplate, tokenizeRow, tokenizeRows, type TokenizeOptions, type TokenizedRow } from "./tokens/preference";
export { Tokenizer, type Message } from "./tokens/tokenizer";

export { announceRun, expectedTime, inTime, type RunDescription } from "./exercises/announce";
export { check, CheckError, hint } from "./exercises/check";
export { exercise, type Exercise, type ExerciseDefinition, type Mistake, type Trial } from "./exercises/exercise";
export { runFolder } from "./exercises/folders";
export { HandOptimizer, type BatchTensors, type LanguageModel, type StepOptimizer } from "./exercises/handTraining";
export { profile, profileName, type ProfileName, type Settings } from "./exercises/profile";
export { question } from "./exercises/question";
export { todo, TodoError } from "./exercises/todo";
