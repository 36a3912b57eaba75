import { caseTrainer, type CaseName } from "./runCases";

// Trains in this process until it kills itself: killedRun.ts '{"name": …, "outputDir": …, "step": …, "place": …}'

/** Where in a step the process ends: nothing of it runs any further, as when the power fails. */
export const PLACES = ["onStepBegin", "onLog", "onStepEnd", "onEvaluate", "onSave"] as const;

export interface KilledRun {
  name: CaseName;
  outputDir: string;
  /** The first step at which it may happen. */
  step: number;
  /** A listener's call, or in the middle of writing a checkpoint. */
  place: (typeof PLACES)[number] | "while saving";
}

async function main({ name, outputDir, step, place }: KilledRun): Promise<void> {
  const kill = (at: number): void => {
    if (at >= step) process.kill(process.pid, "SIGKILL");
  };
  let reached = 0;
  const callbacks = [{ onStepEnd: (state: { step: number }) => void (reached = state.step) }, ...(place === "while saving" ? [] : [{ [place]: (state: { step: number }) => kill(state.step) }])];
  const { trainer } = await caseTrainer(name, { outputDir, callbacks });
  if (place === "while saving") {
    const { tokenizer } = (trainer as unknown as { options: { tokenizer: { save(dir: string): Promise<void> } } }).options;
    const save = tokenizer.save.bind(tokenizer);
    tokenizer.save = async (dir) => {
      kill(reached);
      await save(dir);
    };
  }
  await trainer.train();
}

if (require.main === module) void main(JSON.parse(process.argv[2]!) as KilledRun);
