import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backendProbe, findGpus, gpuProbe } from '../../scripts/doctor/gpu.mjs';
import { makeSandbox } from '../setup/sandbox.mjs';
import { fakeProgram, fakeSystem } from './checkout.mjs';

const CPU_BUILD = { version: '2.21.0', cuda: false, devices: ['CPU'] };
const CUDA_BUILD = { version: '2.21.0', folder: '/site/tensorflow', cuda: true, devices: ['CPU', 'GPU'] };
const NO_GPU = { ...CUDA_BUILD, devices: ['CPU'] };
const DRIVER = '/usr/lib/x86_64-linux-gnu/libcuda.so.1';
const WHEELS = ['cuda_runtime/lib/libcudart.so.12', 'cublas/lib/libcublas.so.12', 'cublas/lib/libcublasLt.so.12', 'cudnn/lib/libcudnn.so.9', 'cufft/lib/libcufft.so.11', 'cusolver/lib/libcusolver.so.11', 'cusparse/lib/libcusparse.so.12']
  .map((file) => `/site/nvidia/${file}`);
const H100 = 'NVIDIA H100 80GB HBM3, 550.54.15, 81559, 9.0';

describe('the GPU and the backend, with fake drivers', () => {
  let sandbox;
  before(() => (sandbox = makeSandbox()));
  after(() => sandbox.remove());

  async function probed({ smi, tensorflow = CPU_BUILD, environment = {}, ...change }) {
    fakeProgram(sandbox, 'nvidia-smi', smi ?? 'exit 1');
    const env = { ...sandbox.env, ...environment, ...(smi === undefined && { PATH: '/nowhere' }) };
    const context = { system: fakeSystem(change), environment: env, tensorflow: async () => tensorflow };
    const gpus = await findGpus(context);
    context.gpus = async () => gpus;
    return { gpu: await gpuProbe(context), backend: await backendProbe(context) };
  }
  const listing = (...lines) => `[[ "$1" == --query-gpu=name,driver_version,memory.total,compute_cap ]] || exit 2\n${lines.map((line) => `echo "${line}"`).join('\n')}`;

  for (const [name, machine, state, found, advice, backend] of [
    ['none is nothing amiss', {}, 'ok', /^none \(no nvidia-smi/, undefined, /on the CPU, since no GPU was found/],
    ['device files without a driver', { dev: ['null', 'nvidia0', 'nvidiactl'] }, 'advice', /^\/dev\/nvidia0 without nvidia-smi/, /--gpus all/, /on the CPU/],
    ['an AMD GPU', { present: ['/dev/kfd'] }, 'ok', /AMD/, undefined, /no GPU was found/],
    ['the CPU build beside a GPU', { smi: listing(H100) }, 'advice', /H100.*80 GiB, driver 550\.54\.15, compute capability 9.*CPU build/, /ALIGNLAB_TENSORFLOW/, /on the CPU, since the installed TensorFlow is the CPU build/],
    ['the CUDA build with a GPU', { smi: listing(H100), tensorflow: CUDA_BUILD }, 'ok', /H100.*TensorFlow uses it$/, undefined, /on CUDA.*NVIDIA H100/],
    ['the CUDA build without one of its libraries', { smi: listing(H100), tensorflow: NO_GPU, present: [DRIVER, ...WHEELS.filter((file) => !file.includes('cudnn'))] }, 'advice', /TensorFlow lists no GPU/, /^It does not find libcudnn\.so\.9: install tensorflow\[and-cuda\]/, /since TensorFlow lists no GPU/],
    ['the CUDA build with a library elsewhere', { smi: listing(H100), tensorflow: NO_GPU, environment: { LD_LIBRARY_PATH: '/opt/cudnn' }, present: [DRIVER, '/opt/cudnn/libcudnn.so.9', ...WHEELS.filter((file) => !file.includes('cudnn'))] }, 'advice', /lists no GPU/, /Its libraries are all there/, /lists no GPU/],
    ["the CUDA build without the driver's library", { smi: listing(H100), tensorflow: NO_GPU, present: WHEELS }, 'advice', /lists no GPU/, /libcuda\.so\.1 of NVIDIA's driver was not found/, /lists no GPU/],
    ['a build that does not say what it is', { smi: listing(H100), tensorflow: { ...NO_GPU, cuda: null } }, 'advice', /lists no GPU/, /does not say whether it is a CUDA build/, /lists no GPU/],
    ['a driver that is too old', { smi: listing('Tesla T4, 470.82.01, 15109, 7.5'), tensorflow: NO_GPU }, 'advice', /driver 470/, /driver 525 or newer/, /on the CPU/],
    ['a GPU that is too old', { smi: listing('Tesla K80, 525.60.13, 11441, 3.7'), tensorflow: NO_GPU }, 'advice', /K80/, /compute capability 6\.0/, /on the CPU/],
    ['a GPU without bfloat16', { smi: listing('Tesla T4, 550.54.15, 15360, 7.5'), tensorflow: CUDA_BUILD }, 'ok', /train in float32/, undefined, /on CUDA/],
    ['two GPUs', { smi: listing(H100, H100), tensorflow: CUDA_BUILD }, 'ok', /H100.*; NVIDIA H100/, undefined, /on CUDA/],
    ['a hidden GPU', { smi: listing(H100), environment: { CUDA_VISIBLE_DEVICES: '-1' }, tensorflow: NO_GPU }, 'advice', /hidden/, /Unset CUDA_VISIBLE_DEVICES/, /CUDA_VISIBLE_DEVICES hides the GPU/],
    ['a driver that does not fit its module', { smi: 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18' }, 'advice', /nvidia-smi failed: Failed to initialize NVML/, /restart the machine/, /on the CPU/],
    ['a tool that lists nothing', { smi: 'echo "No devices were found"' }, 'advice', /lists no GPU: No devices were found/, /restart/, /on the CPU/],
    ['WSL2, where the device file is another', { dev: [], present: ['/dev/dxg'] }, 'advice', /\/dev\/dxg without nvidia-smi/, /driver/, /on the CPU/],
  ]) {
    test(name, async () => {
      const { gpu, backend: chosen } = await probed(machine);
      assert.equal(gpu.state, state, JSON.stringify(gpu));
      assert.match(gpu.found, found);
      if (advice) assert.match(gpu.advice, advice);
      else assert.equal(gpu.advice, undefined);
      assert.equal(chosen.state, 'ok');
      assert.match(chosen.found, backend);
    });
  }

  test('without TensorFlow there is no backend', async () => {
    const { gpu, backend } = await probed({ smi: listing(H100), tensorflow: { problem: 'not in .venv' } });
    assert.equal(backend.state, 'amiss');
    assert.match(backend.found, /none: TensorFlow not in \.venv/);
    assert.equal(gpu.state, 'ok');
    assert.equal(gpu.values.usable, false);
  });
});
