import koffi from "koffi";
import { absent, openTensorflow } from "./choice";
import { cudaEnvironment, openCudaLibraries } from "./cuda";
import { findRuntime } from "./runtime";

/** A native address or handle. Addresses stay below 2^53, so a plain number holds them exactly. */
export type Pointer = number;
type NativeArgument = number | bigint | boolean | string | null | ArrayBufferView | { op: Pointer; index: number };
type NumberFunction = (...args: NativeArgument[]) => number;
type StringFunction = (...args: NativeArgument[]) => string;
type AsyncFunction = NumberFunction & { async: (...args: unknown[]) => void };

// Every pointer is declared uintptr_t (`P`): plain numbers make the cheapest calls.
const DECLARATIONS = [
  "P TF_NewStatus()", "void TF_DeleteStatus(P)", "int TF_GetCode(P)", "str TF_Message(P)", "str TF_Version()",
  "P TFE_NewContextOptions()", "void TFE_ContextOptionsSetConfig(P, void*, size_t, P)", "P TFE_NewContext(P, P)",
  "void TFE_DeleteContextOptions(P)", "P TFE_ContextListDevices(P, P)", "void TF_DeleteDeviceList(P)",
  "int TF_DeviceListCount(P)", "str TF_DeviceListType(P, int, P)", "str TF_DeviceListName(P, int, P)",
  "P TFE_NewExecutor(bool, bool, int)", "P TFE_ContextGetExecutorForThread(P)",
  "void TFE_ContextSetExecutorForThread(P, P)", "void TFE_ExecutorWaitForAllPendingNodes(P, P)",
  "void TFE_ExecutorClearError(P)",
  "P TF_AllocateTensor(int, void*, int, size_t)", "P TF_TensorData(P)", "void TF_DeleteTensor(P)",
  "size_t TF_TensorByteSize(P)", "P TFE_NewTensorHandle(P, P)", "void TFE_DeleteTensorHandle(P)",
  "P TFE_TensorHandleResolve(P, P)", "P TFE_TensorHandleCopyToDevice(P, P, P, P)",
  "P TFE_TensorHandleCopySharingTensor(P, P)", "int TFE_TensorHandleNumDims(P, P)",
  "int64_t TFE_TensorHandleDim(P, int, P)", "int TFE_TensorHandleDataType(P)",
  "P TFE_NewOp(P, P, P)", "void TFE_DeleteOp(P)", "void TFE_OpAddInput(P, P, P)", "void TFE_OpSetDevice(P, P, P)",
  "void TFE_OpSetAttrInt(P, P, int64_t)", "void TFE_OpSetAttrFloat(P, P, float)", "void TFE_OpSetAttrBool(P, P, uint8_t)",
  "void TFE_OpSetAttrType(P, P, int)", "void TFE_OpSetAttrString(P, P, void*, size_t)",
  "void TFE_OpSetAttrIntList(P, P, void*, int)", "void TFE_OpSetAttrFloatList(P, P, void*, int)",
  "void TFE_OpSetAttrBoolList(P, P, void*, int)", "void TFE_OpSetAttrTypeList(P, P, void*, int)",
  "void TFE_OpSetAttrStringList(P, P, void*, void*, int)", "void TFE_OpSetAttrShape(P, P, void*, int, P)",
  "void TFE_OpSetAttrShapeList(P, P, void*, void*, int, P)",
  "void TFE_Execute(P, void*, void*, P)",
  "P TF_NewGraph()", "void TF_DeleteGraph(P)", "P TF_NewOperation(P, P, P)", "void TF_AddInput(P, TF_Output)",
  "void TF_AddInputList(P, void*, int)", "void TF_AddControlInput(P, P)", "void TF_SetAttrInt(P, P, int64_t)",
  "void TF_SetAttrFloat(P, P, float)", "void TF_SetAttrBool(P, P, uint8_t)", "void TF_SetAttrType(P, P, int)",
  "void TF_SetAttrString(P, P, void*, size_t)", "void TF_SetAttrIntList(P, P, void*, int)",
  "void TF_SetAttrFloatList(P, P, void*, int)", "void TF_SetAttrBoolList(P, P, void*, int)",
  "void TF_SetAttrTypeList(P, P, void*, int)", "void TF_SetAttrStringList(P, P, void*, void*, int)",
  "void TF_SetAttrShape(P, P, void*, int)", "void TF_SetAttrShapeList(P, P, void*, void*, int)", "void TF_SetAttrTensor(P, P, P, P)", "void TF_SetAttrFuncName(P, P, void*, size_t)", "P TF_FinishOperation(P, P)",
  "int TF_OperationNumOutputs(P)", "int TF_OperationOutputType(TF_Output)",
  "int TF_GraphGetTensorNumDims(P, TF_Output, P)", "void TF_GraphGetTensorShape(P, TF_Output, void*, int, P)",
  "void TF_GraphSetTensorShape(P, TF_Output, void*, int, P)",
  "P TF_GraphToFunctionWithControlOutputs(P, P, uint8_t, int, void*, int, void*, int, void*, void*, int, void*, void*, P, P, P)",
  "void TFE_ContextAddFunction(P, P, P)", "void TFE_ContextRemoveFunction(P, P, P)", "uint8_t TFE_ContextHasFunction(P, P)",
  "void TF_GraphCopyFunction(P, P, P, P)", "void TF_FunctionSetAttrValueProto(P, P, void*, size_t, P)", "void TF_DeleteFunction(P)",
  "P TF_NewBuffer()", "void TF_DeleteBuffer(P)", "void TF_GraphGetOpDef(P, P, P, P)",
  "void TF_StringInit(P)", "void TF_StringCopy(P, void*, size_t)", "P TF_StringGetDataPointer(P)",
  "size_t TF_StringGetSize(P)", "void TF_StringDealloc(P)",
] as const;

type NameOf<D extends string> = D extends `${string} ${infer Rest}` ? (Rest extends `${infer Name}(${string}` ? Name : never) : never;
type FunctionOf<D extends string> = D extends `str ${string}` ? StringFunction : D extends `P TFE_TensorHandleResolve${string}` ? AsyncFunction : NumberFunction;
type Api = { [D in (typeof DECLARATIONS)[number] as NameOf<D>]: FunctionOf<D> };

/** The same number on Linux and macOS. */
const RTLD_LAZY = 1;

/** Environment variable: 0 computes float32 products on a GPU in float32, and not in TF32 (10 bits of mantissa). */
const TF32_VARIABLE = "ALIGNLAB_TF32";

function load(): Api {
  const runtime = findRuntime();
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  Object.assign(process.env, cudaEnvironment(runtime.folder, process.env));
  // Global and lazy: the framework library must be open first, so that the larger one resolves against it.
  const framework = koffi.load(runtime.framework, { global: true, lazy: true });
  const cc = koffi.load(runtime.cc, { global: true, lazy: true });
  // koffi closes libraries when Node shuts down, before TensorFlow's exit handlers run: a second reference keeps their code in memory.
  const open = framework.func("uintptr_t dlopen(str, int)") as NumberFunction;
  for (const path of [runtime.framework, runtime.cc]) open(path, RTLD_LAZY);
  // Not global, as TensorFlow opens them itself: it holds functions of the same names, which look the real ones up.
  openCudaLibraries(runtime.folder, (path) => open(path, RTLD_LAZY) !== 0);
  // TensorFlow's own default, said aloud. The C API has no function for it: this is tsl::enable_tensor_float_32_execution(bool).
  framework.func("void _ZN3tsl32enable_tensor_float_32_executionEb(bool)")(process.env[TF32_VARIABLE] !== "0");
  koffi.struct("TF_Output", { op: "uintptr_t", index: "int" });
  const api: Record<string, unknown> = {};
  for (const declaration of DECLARATIONS) {
    const prototype = declaration.replace(/\bP\b/g, "uintptr_t");
    const name = /(\w+)\(/.exec(declaration)![1]!;
    try {
      api[name] = cc.func(prototype);
    } catch {
      api[name] = framework.func(prototype);
    }
  }
  return api as Api;
}

const opened = openTensorflow(load);

/** Whether TensorFlow computes in this process. */
export const hasTensorflow = opened !== null;

/** TensorFlow's C API, loaded on first import; where another backend computes, no function of it can be called. */
export const c: Api = opened ?? absent<Api>("TensorFlow's C API");

/** The bytes at a native address, without a copy; valid only while the native side keeps them. */
export function nativeView(address: Pointer, bytes: number): Uint8Array {
  return new Uint8Array(koffi.view(BigInt(address), bytes));
}

const interned = new Map<string, Pointer>();

function place(key: string, bytes: Uint8Array): Pointer {
  const memory = koffi.alloc("char", bytes.length);
  const address = Number(koffi.address(memory));
  nativeView(address, bytes.length).set(bytes);
  interned.set(key, address);
  return address;
}

/** Address of a zero-terminated copy of `text` that lives as long as the process. */
export function cString(text: string): Pointer {
  return interned.get(text) ?? place(text, Buffer.from(`${text}\0`, "utf8"));
}

/** Address of a copy of `bytes`, which need be no text, that lives as long as the process. */
export function cBytes(bytes: Uint8Array): Pointer {
  const key = `\0${Buffer.from(bytes).toString("latin1")}`;
  return interned.get(key) ?? place(key, Buffer.concat([bytes, Buffer.alloc(1)]));
}

const SCRATCH_BYTES = 256;
const scratch = koffi.alloc("char", SCRATCH_BYTES);
const scratchAddress = Number(koffi.address(scratch));
const scratchBytes = nativeView(scratchAddress, SCRATCH_BYTES);

/** Address of a short ASCII text, good until the next call: for names that TensorFlow copies and that come once. */
export function passingString(text: string): Pointer {
  if (text.length >= SCRATCH_BYTES) return cString(text);
  for (let i = 0; i < text.length; i++) scratchBytes[i] = text.charCodeAt(i);
  scratchBytes[text.length] = 0;
  return scratchAddress;
}

/** The status that synchronous calls share; asynchronous ones bring their own. */
export const status: Pointer = hasTensorflow ? c.TF_NewStatus() : 0;

/** An error that TensorFlow reported, with its code (https://www.tensorflow.org/api_docs/python/tf/errors). */
export class TensorFlowError extends Error {
  override name = "TensorFlowError";
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

/** What TensorFlow adds when a later call meets the failure of an earlier one; here later calls do run. */
const EXECUTOR_NOTE = /\n?\s*Encountered when executing an operation using EagerExecutor\.[^\n]*/;

/** What TensorFlow says of a variable that is gone, which it knows by a name that only the engine has. */
const LOST_VARIABLE = /(?:Could not find variable|Read variable failure) alignlab_\d+\..*/s;
const LOST_VARIABLE_TEXT = "A tf.variable that it uses has been disposed. Keep a variable for as long as the functions are called that were traced with it.";

/** What XLA says of ops that it has no kernel for. */
const NOT_COMPILED = /Detected unsupported operations when trying to compile graph.*? on XLA_\w+: (\w+).*/s;
const NOT_COMPILED_TEXT = "XLA does not compile the op $1. Give jit the option xla: false, which runs the function's ops one by one; on a GPU XLA is the default.";

/** Of a gather that runs by itself, and of one within a function. */
const OUT_OF_BOUNDS = /indices(?:\[[\d,]*\])? = (-?\d+) is not in \[0, (\d+)\)/;
const GATHER = /^GatherV2: |\{\{node [\w/]*GatherV2/;

/** TensorFlow tells the place of an index that is out of bounds; tfjs's words before that name the index and the last that would do. */
function inTfjsWords(message: string): string {
  const [, index, size] = (GATHER.test(message) && OUT_OF_BOUNDS.exec(message)) || [];
  return index === undefined ? message : `GatherV2: the index value ${index} is not in [0, ${Number(size) - 1}]. TensorFlow says: ${message}`;
}

/** @throws TensorFlowError when the last call through `of` failed. */
export function check(what: string, of: Pointer = status): void {
  const code = c.TF_GetCode(of);
  if (code === 0) return;
  const rewordings = [[EXECUTOR_NOTE, ""], [LOST_VARIABLE, LOST_VARIABLE_TEXT], [NOT_COMPILED, NOT_COMPILED_TEXT]] as const;
  throw new TensorFlowError(inTfjsWords(`${what}: ${rewordings.reduce((text, [pattern, instead]) => text.replace(pattern, instead), c.TF_Message(of))}`), code);
}

/** Runs koffi's asynchronous form: the call blocks a worker thread and the event loop goes on. */
export function callAsync(fn: AsyncFunction, ...args: NativeArgument[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: Error | null, result: number) => (error ? reject(error) : resolve(result)));
  });
}
