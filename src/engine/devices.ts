import { TF } from "./dtypes";

export interface Device {
  /** TensorFlow's full name, such as `/job:localhost/replica:0/task:0/device:GPU:0`. */
  name: string;
  type: string;
}

/** The device that computes and holds tensors: the first GPU, or null for the CPU. */
export function firstGpu(devices: readonly Device[]): Device | null {
  return devices.find(({ type }) => type === "GPU") ?? null;
}

/** Whether values of a dtype stay in the host's memory beside a GPU: its kernels expect int32 (sizes, axes, ids) and strings there. */
export function staysOnHost(dtype: number): boolean {
  return dtype === TF.INT32 || dtype === TF.STRING;
}
