import type { Variable } from "@tensorflow/tfjs";
import { bytesOnDevice, tf, type, updateVariables } from "../../engine/backend";
import { TF } from "../../engine/dtypes";
import type { Dtype, Safetensors } from "../../hub/safetensors";
import type { TensorToWrite } from "../../hub/writeSafetensors";
import { bytes } from "../optimizers/blockwise";

/** Codes of an 8-bit optimiser are uint8 on the device, which tfjs calls int32. */
const dtypeOf = (variable: Variable): Dtype => (variable.rank > 0 && bytesOnDevice(variable) === variable.size ? "U8" : "F32");

/** Variables as tensors of a safetensors file; each leaves the device when its turn comes. */
export function tensorsOf(variables: ReadonlyMap<string, Variable>): TensorToWrite[] {
  return [...variables].map(([name, variable]) => ({ name, shape: variable.shape, dtype: dtypeOf(variable), data: async () => (await variable.data()) as Float32Array | Uint8Array }));
}

/** What keeps a file from being read into variables, in words; null where nothing does. */
export function misfit(file: Safetensors, variables: ReadonlyMap<string, Variable>): string | null {
  const where = file.files[0]!;
  for (const [name, variable] of variables) {
    const found = file.tensors.get(name);
    const wanted = `${dtypeOf(variable)} [${variable.shape}]`;
    if (!found) return `${where} has no ${name}, which is trained here`;
    if (`${found.dtype} [${found.shape}]` !== wanted) return `${name} is ${found.dtype} [${found.shape}] in ${where} and ${wanted} here`;
  }
  const unknown = [...file.tensors.keys()].find((name) => !variables.has(name));
  return unknown === undefined ? null : `${where} holds ${unknown}, which is not there here`;
}

/** Writes a file's tensors into the variables of their names. `misfit` must have found nothing. */
export function readInto(variables: ReadonlyMap<string, Variable>, file: Safetensors): void {
  for (const [name, variable] of variables) {
    tf.tidy(() => {
      if (dtypeOf(variable) === "F32") return variable.assign(tf.tensor(file.read(name), variable.shape));
      const codes = bytes(tf.tensor(Int32Array.from(file.readRaw(name)), variable.shape, "int32"), type("int32"));
      updateVariables("AssignVariableOp", { dtype: { type: TF.UINT8 } }, [variable], [codes]);
    });
  }
}
