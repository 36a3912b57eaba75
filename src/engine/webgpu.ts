import type { KernelBackend } from "@tensorflow/tfjs";
import { BackendError } from "./choice";
import { failOnErrors } from "./webgpuErrors";
import { restWhileIdle } from "./webgpuIdle";
import { WebgpuMemory, type WebgpuLimits } from "./webgpuMemory";
import { registerPreciseKernels } from "./webgpuPrecise";
import { splitLargeTensors } from "./webgpuSplit";

/** Environment variable: 1 lets the webgpu backend compute on a software adapter (Mesa's llvmpipe, SwiftShader). */
export const SOFTWARE_VARIABLE = "ALIGNLAB_WEBGPU_SOFTWARE";

/** What of WebGPU's own objects is used here. */
export interface GpuDevice extends EventTarget {
  readonly limits: Record<string, number>;
  destroy(): void;
  readonly lost: Promise<{ reason: string; message: string }>;
}
interface GpuAdapter {
  readonly limits: Record<string, number>;
  readonly features: ReadonlySet<string>;
  readonly info: { vendor: string; description: string; isFallbackAdapter: boolean };
  requestDevice(descriptor: { requiredLimits: Record<string, number> }): Promise<GpuDevice>;
}
interface Gpu {
  requestAdapter(options: { powerPreference?: string; forceFallbackAdapter?: boolean }): Promise<GpuAdapter | null>;
}

/** Limits that tfjs's shaders make use of where the adapter offers more than every adapter must. */
const LIMITS = ["maxComputeWorkgroupStorageSize", "maxComputeWorkgroupsPerDimension", "maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage", "maxBufferSize", "maxComputeWorkgroupSizeX", "maxComputeInvocationsPerWorkgroup"];

let memory: WebgpuMemory | null = null;

/** What the adapter in use allows; null where the webgpu backend has not started. */
export const webgpuLimits = (): WebgpuLimits | null => memory?.limits ?? null;

/**
 * Starts tfjs's WebGPU backend on npm's `webgpu`, Dawn for Node. Tensors beyond what the adapter binds at once are computed
 * in parts or refused, and any error that WebGPU reports ends the work.
 * @throws BackendError where there is no adapter, or a software one only that nobody asked for
 */
export async function startWebgpu(): Promise<KernelBackend> {
  const adapter = await findAdapter(openWebgpu());
  const device = await adapter.requestDevice({ requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]!])) });
  const { WebGPUBackend } = require("@tensorflow/tfjs-backend-webgpu") as { WebGPUBackend: new (device: GpuDevice, info: GpuAdapter["info"]) => KernelBackend };
  const backend = new WebGPUBackend(device, adapter.info);
  failOnErrors(backend, device);
  restWhileIdle(backend, device);
  const { maxStorageBufferBindingSize, maxBufferSize, maxStorageBuffersPerShaderStage } = device.limits;
  memory = new WebgpuMemory(backend, { binding: maxStorageBufferBindingSize!, buffer: maxBufferSize!, buffersPerStage: maxStorageBuffersPerShaderStage! });
  registerPreciseKernels();
  splitLargeTensors(memory);
  return backend;
}

/** Dawn's entry. tfjs looks for it where a browser has it, and for WebGPU's constants among the globals. */
function openWebgpu(): Gpu {
  const build = process.platform === "darwin" ? "darwin-universal" : `${process.platform}-${process.arch}`;
  let dawn: { create(options: string[]): Gpu; globals: object };
  try {
    // The package's own entry is an ES module, which a CommonJS one cannot load at once; the library itself can be.
    dawn = require(`webgpu/dist/${build}.dawn.node`) as typeof dawn;
  } catch (error) {
    throw new BackendError(`npm's webgpu does not load on ${build}: ${(error as Error).message.split("\n")[0]}`);
  }
  const gpu = dawn.create([]);
  Object.assign(globalThis, dawn.globals);
  const { navigator = {} } = globalThis as { navigator?: object };
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
  return gpu;
}

async function findAdapter(gpu: Gpu): Promise<GpuAdapter> {
  const software = process.env[SOFTWARE_VARIABLE] === "1";
  const adapter = await gpu.requestAdapter(software ? { forceFallbackAdapter: true } : { powerPreference: "high-performance" });
  if (!adapter) throw new BackendError(software ? `WebGPU finds no software adapter. Install one (Debian and Ubuntu: mesa-vulkan-drivers), or unset ${SOFTWARE_VARIABLE}.` : "WebGPU finds no adapter: a GPU with a Vulkan driver is needed.");
  const { info } = adapter;
  if (info.isFallbackAdapter && !software) throw new BackendError(`WebGPU's only adapter is a software one (${info.description || info.vendor}), slower than WebAssembly. Set ${SOFTWARE_VARIABLE}=1 to use it all the same.`);
  return adapter;
}
