import { engineInfo } from "../../src/engine/info";

/** What a side of ours says of the engine once it is loaded: the threads at work, within ops or beside each other, and TensorFlow's version. */
export function engineReady(): { threads: number; versions: { tensorflow: string | null } } {
  const { threads: { intraOp, interOp }, tensorflow } = engineInfo();
  return { threads: Math.max(intraOp, interOp), versions: { tensorflow } };
}
