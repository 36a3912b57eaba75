import type { TrainingArguments } from "../arguments";

/** learningRate as learning_rate */
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A run's settings under transformers' and TRL's names, as training_args.json holds them. */
export function namedArguments({ precision, ...args }: TrainingArguments): Record<string, unknown> {
  const named = Object.entries(args).map(([name, value]) => [snakeCase(name), value] as const);
  return { ...Object.fromEntries(named), bf16: precision === "bfloat16", fp16: precision === "float16" };
}

/** Settings that change no number of the training itself: a run may be continued with others. */
const FREE = new Set([
  "output_dir", "overwrite_output_dir", "logging_steps", "eval_steps", "save_steps", "save_total_limit", "per_device_eval_batch_size", "gradient_checkpointing",
]);

/** In words, the settings by which a run would go on otherwise than it began. */
export function differingArguments(then: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])].filter((name) => !FREE.has(name));
  const text = (value: unknown): string => (value === undefined ? "not set" : JSON.stringify(value));
  return names.filter((name) => text(then[name]) !== text(now[name])).map((name) => `${name} is ${text(then[name])} there and ${text(now[name])} here`);
}
