import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chosenBackendProbe, fallbacksProbe, startFallbacks } from '../../scripts/doctor/backends.mjs';
import { projectPaths, toolEnvironment } from '../../scripts/setup/paths.mjs';

const PRESENT = { version: '2.21.0', cuda: false, devices: ['CPU'] };
const MISSING = { problem: 'not in .venv' };
const NO_GPU = { webgpu: 'WebGPU finds no adapter.', wasm: null, cpu: null };
const NONE = { webgpu: 'no', wasm: 'no', cpu: 'no' };

function probed({ tensorflow = PRESENT, problems = NO_GPU, environment = {} }) {
  return chosenBackendProbe({ environment, tensorflow: async () => tensorflow, gpus: async () => ({ gpus: [], hidden: false }), fallbacks: async () => problems });
}

describe('which backend a run would compute on', () => {
  for (const [name, given, state, found, backend] of [
    ['TensorFlow where it loads', {}, 'ok', /^TensorFlow on the CPU/, 'tensorflow'],
    ['TensorFlow by name', { environment: { ALIGNLAB_BACKEND: 'tensorflow' }, tensorflow: MISSING }, 'amiss', /^none: TensorFlow not in \.venv/, null],
    ['a library that is named and is not there', { environment: { ALIGNLAB_TENSORFLOW: '/nowhere' }, tensorflow: MISSING }, 'amiss', /^none: TensorFlow/, null],
    ['another by name, though TensorFlow is there', { environment: { ALIGNLAB_BACKEND: 'cpu' } }, 'advice', /^cpu, since ALIGNLAB_BACKEND names it/, 'cpu'],
    ['one by name that does not start', { environment: { ALIGNLAB_BACKEND: 'webgpu' } }, 'amiss', /^none: ALIGNLAB_BACKEND names webgpu, which does not start: WebGPU finds no adapter/, null],
    ['a name that is none', { environment: { ALIGNLAB_BACKEND: 'cuda' } }, 'amiss', /^none: ALIGNLAB_BACKEND is cuda/, null],
    ['the first that starts, without TensorFlow', { tensorflow: MISSING }, 'amiss', /^wasm, since TensorFlow not in \.venv and webgpu does not start$/, 'wasm'],
    ['a GPU before all others, without TensorFlow', { tensorflow: MISSING, problems: { ...NO_GPU, webgpu: null } }, 'amiss', /^webgpu, since TensorFlow not in \.venv$/, 'webgpu'],
    ['nothing where nothing starts', { tensorflow: MISSING, problems: NONE }, 'amiss', /^none: TensorFlow not in \.venv/, null],
  ]) {
    test(name, async () => {
      const row = await probed(given);
      assert.equal(row.state, state, JSON.stringify(row));
      assert.match(row.found, found);
      assert.equal(row.values.backend, backend);
      if (state !== 'ok') assert.ok(row.advice);
    });
  }
});

test('each of the others is started by the engine itself, in a process of its own', async () => {
  const paths = projectPaths();
  const environment = { ...toolEnvironment(process.env, undefined, { make: false }), ALIGNLAB_WEBGPU_SOFTWARE: '', VK_ICD_FILENAMES: '/nowhere' };
  const problems = await startFallbacks({ paths, environment, ready: { packages: true } });
  assert.deepEqual([problems.wasm, problems.cpu], [null, null]);
  assert.match(problems.webgpu, /^WebGPU finds no adapter/);
  const { state, found } = await fallbacksProbe({ fallbacks: async () => problems });
  assert.equal(state, 'ok');
  assert.match(found, /^webgpu does not \(WebGPU finds no adapter: .*\); wasm starts; cpu starts$/);
});
