import type { LogRow, TrainerState } from "./callbacks";

/** A window as JSON: what each step measured, and the learning rate of the last. Numbers that JSON lacks come as texts. */
export interface WindowState {
  steps: (number | string)[][];
  rate: number;
}

/** Means of what the steps since the last row measured. */
export class LogWindow {
  private steps: Float32Array[] = [];
  private rate = 0;

  constructor(private readonly metricNames: readonly string[]) {}

  add(values: Float32Array, rate: number): void {
    this.steps.push(values);
    this.rate = rate;
  }

  get isEmpty(): boolean {
    return this.steps.length === 0;
  }

  get state(): WindowState {
    return { steps: this.steps.map((values) => [...values]), rate: this.rate };
  }

  restore({ steps, rate }: WindowState): void {
    this.steps = steps.map((values) => Float32Array.from(values, Number));
    this.rate = rate;
  }

  row({ step, epoch }: TrainerState): LogRow {
    const mean = (at: number, steps: readonly Float32Array[]): number => steps.reduce((sum, values) => sum + values[at]!, 0) / steps.length;
    const counted = this.steps.filter(([norm]) => Number.isFinite(norm));
    const row: LogRow = { step, epoch, loss: mean(1, this.steps), ...(counted.length > 0 ? { grad_norm: mean(0, counted) } : {}), learning_rate: this.rate };
    this.metricNames.forEach((name, i) => (row[name] = mean(2 + i, this.steps)));
    const lossScale = this.steps.at(-1)![2 + this.metricNames.length];
    if (lossScale !== undefined) row.loss_scale = lossScale;
    this.steps = [];
    return row;
  }
}
