import type { Safetensors } from "../../hub/safetensors";
import type { TensorToWrite } from "../../hub/writeSafetensors";
import type { MethodState } from "../run/subject";
import { readInto, tensorsOf } from "../run/variables";
import type { Control } from "./objective";
import type { ValueFunction } from "./valueFunction";

const NAME = "rollout.control";

/**
 * What goes from iteration to iteration beside policy and optimiser: the method's numbers and the value function's weights.
 * The numbers are kept by iteration, for the next one's answers are drawn while a checkpoint of this one is written.
 */
export class RolloutState implements MethodState {
  private readonly names: readonly string[];
  private readonly controls: Map<number, Control>;

  /** @param iteration the one that the run stands before */
  constructor(start: Control, private readonly value: ValueFunction | null, private readonly iteration: () => number) {
    this.names = Object.keys(start);
    this.controls = new Map([[0, start]]);
  }

  /** The numbers that an iteration begins with. */
  before(iteration: number): Control {
    return this.controls.get(iteration)!;
  }

  /** Takes the numbers that an iteration leaves. They are rounded to float32, as a checkpoint has them. */
  after(iteration: number, control: Control): void {
    this.controls.set(iteration + 1, Object.fromEntries(this.names.map((name) => [name, Math.fround(control[name]!)])));
    this.controls.delete(iteration - 1);
  }

  tensors(): TensorToWrite[] {
    const iteration = this.iteration();
    const numbers = Float32Array.from([iteration, ...this.names.map((name) => this.before(iteration)[name]!)]);
    return [{ name: NAME, shape: [numbers.length], data: numbers }, ...tensorsOf(this.value?.parameters ?? new Map())];
  }

  restore(file: Safetensors): void {
    const [iteration, ...numbers] = file.read(NAME);
    this.controls.clear();
    this.controls.set(iteration!, Object.fromEntries(this.names.map((name, i) => [name, numbers[i]!])));
    if (this.value) readInto(this.value.parameters, file);
  }
}
