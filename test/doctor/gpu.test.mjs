import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backendProbe, findGpus, gpuProbe } from '../../scripts/doctor/gpu.mjs';
import { makeSandbox } from '../setup/sandbox.mjs';
import { fakeProgram, fakeSystem } from './checkout.mjs';

const CPU_BUILD = { version: '2.21.0', cuda: false, devices: ['CPU'] };
const CUDA_BUILD = { version: '2.21.0', folder: '/site/tensorflow', cuda: true, devices: ['CPU', 'GPU'] };
const NO_GPU = { ...CUDA_BUILD, devices: ['CPU'] };
const DRIVER = '/usr/lib/x86_64-linux-gnu/libcuda.so.1';
const WHEELS = ['cuda_runtime/lib/libcudart.so.12', 'nvjitlink/lib/libnvJitLink.so.12', 'cublas/lib/libcublas.so.12', 'cublas/lib/libcublasLt.so.12', 'cudnn/lib/libcudnn.so.9', 'cufft/lib/libcufft.so.11', 'cusolver/lib/libcusolver.so.11', 'cusparse/lib/libcusparse.so.12']
  .map((file) => `/site/nvidia/${file}`);
const TOOLS = ['/site/nvidia/cuda_nvcc/bin/ptxas', '/site/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc'];
const WHOLE = [DRIVER, ...WHEELS, ...TOOLS];
const without = (part) => WHOLE.filter((file) => !file.includes(part));
const MODULE = { '/proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 12.2.0\n' };
const H100 = 'NVIDIA H100 80GB HBM3, 570.86.15, 81559, 9.0';
const OLD_H100 = H100.replace('570.86.15', '550.54.15');

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
    ['the CPU build beside a GPU', { smi: listing(H100) }, 'advice', /H100.*80 GiB, driver 570\.86\.15, compute capability 9\.0.*CPU build/, /npm start -- --cuda --setup-only \(3\.4 GB/, /on the CPU, since the installed TensorFlow is the CPU build/],
    ['a CPU build of your own beside a GPU', { smi: listing(H100), environment: { ALIGNLAB_TENSORFLOW: '/other/tensorflow' } }, 'advice', /CPU build/, /unset ALIGNLAB_TENSORFLOW and run npm start -- --cuda/, /on the CPU/],
    ['the CUDA build with a GPU', { smi: listing(H100), tensorflow: CUDA_BUILD, present: WHOLE }, 'ok', /H100.*TensorFlow uses it; bfloat16 is native$/, undefined, /on CUDA.*NVIDIA H100/],
    ['the CUDA build without one of its libraries', { smi: listing(H100), tensorflow: NO_GPU, present: without('cudnn') }, 'advice', /TensorFlow lists no GPU/, /^It does not find libcudnn\.so\.9: run npm start -- --cuda/, /since TensorFlow lists no GPU/],
    ['the CUDA build with a library elsewhere', { smi: listing(H100), tensorflow: NO_GPU, environment: { LD_LIBRARY_PATH: '/opt/cudnn' }, present: [...without('cudnn'), '/opt/cudnn/libcudnn.so.9'] }, 'advice', /lists no GPU/, /Its libraries are all there/, /lists no GPU/],
    ["the CUDA build without the driver's library", { smi: listing(H100), tensorflow: NO_GPU, present: without('libcuda.so') }, 'advice', /lists no GPU/, /libcuda\.so\.1 of NVIDIA's driver was not found/, /lists no GPU/],
    ['the CUDA build without what XLA compiles with', { smi: listing(H100), tensorflow: CUDA_BUILD, present: without('ptxas') }, 'advice', /uses it/, /XLA does not find ptxas,/, /on CUDA/],
    ["what XLA compiles with from the system's toolkit", { smi: listing(H100), tensorflow: CUDA_BUILD, present: [...without('cuda_nvcc'), '/usr/local/cuda/bin/ptxas', '/usr/local/cuda/nvvm/libdevice/libdevice.10.bc'] }, 'ok', /uses it/, undefined, /on CUDA/],
    ['a build that does not say what it is', { smi: listing(H100), tensorflow: { ...NO_GPU, cuda: null } }, 'advice', /lists no GPU/, /does not say whether it is a CUDA build/, /lists no GPU/],
    ['a driver that is too old', { smi: listing('Tesla T4, 470.82.01, 15109, 7.5'), tensorflow: NO_GPU }, 'advice', /driver 470/, /driver 525\.60\.13 or newer/, /on the CPU/],
    ['a driver that is too old by its last number', { smi: listing('Tesla T4, 525.60.11, 15109, 7.5'), tensorflow: NO_GPU }, 'advice', /driver 525/, /driver 525\.60\.13 or newer/, /on the CPU/],
    ['the oldest driver that will do', { smi: listing('Tesla T4, 525.60.13, 15360, 7.5'), tensorflow: CUDA_BUILD, present: WHOLE }, 'ok', /uses it/, undefined, /on CUDA/],
    ["a driver that does not know the format of the newest kernels", { smi: listing(OLD_H100), tensorflow: CUDA_BUILD, present: WHOLE }, 'advice', /driver 550\.54\.15/, /before 555\.42\.02.*update NVIDIA's driver/, /on CUDA/],
    ['a GPU that is too old', { smi: listing('Tesla K80, 525.60.13, 11441, 3.7'), tensorflow: NO_GPU }, 'advice', /K80/, /compute capability 6\.0/, /on the CPU/],
    ['a GPU without bfloat16', { smi: listing('Tesla T4, 550.54.15, 15360, 7.5'), tensorflow: CUDA_BUILD, present: WHOLE }, 'ok', /no native bfloat16: train in float32, or in float16/, undefined, /on CUDA/],
    ['a GPU without tensor cores', { smi: listing('Tesla P100-PCIE-16GB, 550.54.15, 16384, 6.0'), tensorflow: CUDA_BUILD, present: WHOLE }, 'ok', /no native bfloat16: train in float32$/, undefined, /on CUDA/],
    ['a GPU with little memory', { smi: listing('NVIDIA GeForce RTX 3050 Laptop GPU, 550.54.15, 4096, 8.6'), tensorflow: CUDA_BUILD, present: WHOLE }, 'advice', /4 GiB/, /Little memory/, /on CUDA/],
    ['two GPUs', { smi: listing(H100, H100), tensorflow: CUDA_BUILD, present: WHOLE }, 'ok', /H100.*; NVIDIA H100.*uses the first/, undefined, /on CUDA/],
    ['a hidden GPU', { smi: listing(H100), environment: { CUDA_VISIBLE_DEVICES: '-1' }, tensorflow: NO_GPU }, 'advice', /hidden/, /Unset CUDA_VISIBLE_DEVICES/, /CUDA_VISIBLE_DEVICES hides the GPU/],
    ['a driver that does not fit its module', { smi: 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18' }, 'advice', /nvidia-smi failed: Failed to initialize NVML/, /restart the machine/, /on the CPU/],
    ['a tool that lists nothing', { smi: 'echo "No devices were found"' }, 'advice', /lists no GPU: No devices were found/, /restart/, /on the CPU/],
    ['a driver without its tool', { dev: ['nvidia0'], files: MODULE, tensorflow: CUDA_BUILD, present: WHOLE }, 'advice', /^\/dev\/nvidia0, driver 550\.54\.15, without nvidia-smi; TensorFlow uses it/, /ALIGNLAB_BFLOAT16=1/, /on CUDA/],
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

  test('each library is told with its path, or with none', async () => {
    const { gpu } = await probed({ smi: listing(H100), tensorflow: NO_GPU, environment: { LD_LIBRARY_PATH: '/opt/a:/opt/b' }, present: [...without('cufft'), '/opt/b/libcufft.so.11'].filter((file) => !file.includes('cusparse')) });
    const { paths, driver, missing, missing_tools: tools } = gpu.values.cuda_libraries;
    assert.deepEqual([driver, missing, tools], [DRIVER, ['libcusparse.so.12'], []]);
    assert.equal(paths['libcufft.so.11'], '/opt/b/libcufft.so.11');
    assert.equal(paths['libcudnn.so.9'], '/site/nvidia/cudnn/lib/libcudnn.so.9');
    assert.equal(paths['libcusparse.so.12'], null);
  });

  test('without TensorFlow there is no backend', async () => {
    const { gpu, backend } = await probed({ smi: listing(H100), tensorflow: { problem: 'not in .venv' } });
    assert.equal(backend.state, 'amiss');
    assert.match(backend.found, /none: TensorFlow not in \.venv/);
    assert.equal(gpu.state, 'ok');
    assert.equal(gpu.values.usable, false);
  });
});
