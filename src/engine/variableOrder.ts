import { c, check, status, type Pointer } from "./capi";
import { ATTR, TF } from "./dtypes";
import type { Attribute } from "./eager";
import type { Capture, GraphOutput, Recorder } from "./recorder";

/** A variable in TensorFlow's memory, updated in place. */
export interface Resource {
  resource: Pointer;
  dtype: number;
  shape: number[];
}

interface Use extends Resource {
  capture: Capture;
  lastWrite: Pointer | null;
  readsSinceWrite: Pointer[];
  value: GraphOutput | null;
}

/**
 * Reads and writes of resource variables in a trace, in program order: a read runs after the last write, a write after
 * every read and write before it.
 */
export class VariableOrder {
  private readonly uses = new Map<Pointer, Use>();

  constructor(private readonly recorder: Recorder) {}

  private use({ resource, dtype, shape }: Resource): Use {
    let use = this.uses.get(resource);
    if (!use) {
      // A handle of its own: a call after the variable's end is then TensorFlow's error and not a freed address.
      const own = c.TFE_TensorHandleCopySharingTensor(resource, status);
      check("capture variable");
      const capture = this.recorder.capture(TF.RESOURCE, null, () => own, () => c.TFE_DeleteTensorHandle(own));
      use = { resource, capture, dtype, shape, lastWrite: null, readsSinceWrite: [], value: null };
      this.uses.set(resource, use);
    }
    return use;
  }

  /** The variable's value at this point of the program. */
  read(variable: Resource): GraphOutput {
    const use = this.use(variable);
    if (!use.value) {
      const { recorder } = this;
      const { dtype, shape } = use;
      const op = recorder.node("ReadVariableOp", [{ name: "dtype", type: ATTR.TYPE, value: dtype }], [use.capture.output], use.lastWrite === null ? [] : [use.lastWrite]);
      use.readsSinceWrite.push(op);
      use.value = recorder.shaped({ op, index: 0, shape, dtype, recorder });
    }
    return use.value;
  }

  /** Adds a node that changes `variables` in place, after everything that used them before and after `after`. */
  write(name: string, attributes: readonly Attribute[], variables: readonly Resource[], inputs: readonly GraphOutput[], after: readonly GraphOutput[]): void {
    const uses = variables.map((variable) => this.use(variable));
    const control = new Set<Pointer>(after.map((output) => output.op));
    for (const use of uses) {
      if (use.lastWrite !== null) control.add(use.lastWrite);
      for (const read of use.readsSinceWrite) control.add(read);
    }
    const op = this.recorder.node(name, attributes, [...uses.map((use) => use.capture.output), ...inputs], [...control]);
    this.recorder.effects.push(op);
    for (const use of uses) {
      use.lastWrite = op;
      use.readsSinceWrite = [];
      use.value = null;
    }
  }
}
