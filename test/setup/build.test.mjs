import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { buildOfOptions, chooseBuild, rememberBuild } from '../../scripts/setup/build.mjs';
import { driverObjection, findDriver, olderThan } from '../../scripts/setup/driver.mjs';
import { EXIT } from '../../scripts/setup/failure.mjs';
import { projectPaths } from '../../scripts/setup/paths.mjs';
import { spaceNeeded } from '../../scripts/setup/setup.mjs';
import { CUDA_FILES, makeSandbox, program, ROOT } from './sandbox.mjs';

const H100 = { name: 'NVIDIA H100 80GB HBM3', driver: '570.86.15', memoryMiB: 81559, capability: 9 };
const MODULE = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 12.2.0\n';
const OPEN_MODULE = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder)\n';
const LIBRARY = '/usr/lib/x86_64-linux-gnu/libcuda.so.1';

describe("NVIDIA's driver", () => {
  let folder;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'alignlab-driver-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Asks with a made-up nvidia-smi (none: no such program) and made-up files. */
  function found({ smi, present = [], module, environment = {} }) {
    if (smi) program(path.join(folder, 'nvidia-smi'), `#!/bin/bash\n${smi}\n`);
    const system = { exists: (file) => present.includes(file), readText: (file) => (file === '/proc/driver/nvidia/version' ? module : undefined) };
    return findDriver({ environment: { PATH: smi ? `${folder}:/usr/bin:/bin` : '/nowhere', ...environment }, system });
  }
  const LISTING = '[[ "$1" == --query-gpu=name,driver_version,memory.total,compute_cap ]] && echo "NVIDIA H100 80GB HBM3, 570.86.15, 81559, 9.0"';

  for (const [name, machine, present, version, why] of [
    ['nothing of it', {}, false, undefined, /^no driver of NVIDIA's was found$/],
    ['its tool', { smi: LISTING }, true, '570.86.15', /^NVIDIA's driver 570\.86\.15 with NVIDIA H100 80GB HBM3$/],
    ['its tool, and every GPU hidden', { smi: LISTING, environment: { CUDA_VISIBLE_DEVICES: '-1' } }, false, undefined, /CUDA_VISIBLE_DEVICES hides/],
    ['its tool, and one GPU chosen', { smi: LISTING, environment: { CUDA_VISIBLE_DEVICES: '0' } }, true, '570.86.15', /H100/],
    ['a tool that fails', { smi: 'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9', present: [LIBRARY], module: MODULE }, false, undefined, /^nvidia-smi failed: NVIDIA-SMI has failed/],
    ['a tool that lists nothing', { smi: 'echo "No devices were found"' }, false, undefined, /lists no GPU: No devices/],
    ['module and library without the tool', { present: [LIBRARY], module: MODULE }, true, '550.54.15', /^NVIDIA's driver 550\.54\.15 \(\/usr\/lib\/x86_64-linux-gnu\/libcuda\.so\.1\)$/],
    ['the open module and a library in LD_LIBRARY_PATH', { present: ['/opt/driver/libcuda.so.1'], module: OPEN_MODULE, environment: { LD_LIBRARY_PATH: '/opt/other:/opt/driver' } }, true, '570.86.15', /\/opt\/driver/],
    ['the module alone, as in a container without its GPUs', { module: MODULE }, false, undefined, /without libcuda\.so\.1/],
    ['the library alone, as in an image for GPUs', { present: [LIBRARY] }, false, undefined, /^no driver/],
    ['WSL2', { present: ['/dev/dxg', '/usr/lib/wsl/lib/libcuda.so.1'] }, true, undefined, /^NVIDIA's driver \(\/usr\/lib\/wsl/],
  ]) {
    test(name, async () => {
      const driver = await found(machine);
      assert.deepEqual([driver.present, driver.version], [present, version], driver.why);
      assert.match(driver.why, why);
    });
  }

  test('too old a driver, or GPU, by numbers and not by letters', () => {
    assert.deepEqual([['525.60.13', '525.60.13'], ['525.60.9', '525.60.13'], ['525.105.17', '525.60.13'], ['1000.1', '525.60.13'], ['525', '525.60.13']].map(([a, b]) => olderThan(a, b)), [false, true, false, false, true]);
    assert.equal(driverObjection({ gpus: [H100], version: H100.driver }), undefined);
    assert.match(driverObjection({ gpus: [], version: '470.82.01' }), /driver 525\.60\.13 or newer/);
    assert.match(driverObjection({ gpus: [{ ...H100, capability: 5.2 }] }), /compute capability 6\.0/);
    assert.equal(driverObjection({ gpus: [] }), undefined, 'what is not known is no objection');
  });
});

describe('which build of TensorFlow is chosen', () => {
  let paths;
  beforeEach(() => (paths = projectPaths(mkdtempSync(path.join(tmpdir(), 'alignlab-build-')))));
  const driver = { present: true, gpus: [H100], version: H100.driver, why: "NVIDIA's driver 570.86.15 with NVIDIA H100 80GB HBM3" };
  const none = { present: false, gpus: [], why: "no driver of NVIDIA's was found" };
  const old = { present: true, gpus: [{ ...H100, driver: '470.82.01' }], version: '470.82.01', why: 'an old one' };
  const choose = (look, options = {}) => chooseBuild({ paths, environment: {}, look: async () => look, ...options });
  const never = { look: () => assert.fail('nobody need look') };

  test('by the driver: CUDA with one, the CPU without one or with one that is too old', async () => {
    assert.deepEqual(await choose(driver), { build: 'cuda', why: driver.why });
    assert.deepEqual(await choose(none), { build: 'cpu', why: none.why });
    const { build, why } = await choose(old);
    assert.deepEqual([build, /525\.60\.13 or newer/.test(why)], ['cpu', true]);
  });

  test('a flag decides, then the environment, then an earlier flag, and nobody looks for a driver', async () => {
    assert.equal((await choose(none, { asked: 'cuda', ...never })).build, 'cuda');
    assert.equal((await choose(driver, { asked: 'cpu', environment: { ALIGNLAB_CUDA: '1' }, ...never })).build, 'cpu');
    assert.equal((await choose(driver, { environment: { ALIGNLAB_CUDA: '0' }, ...never })).build, 'cpu');
    rememberBuild(paths, 'cuda');
    assert.deepEqual(await choose(none, never), { build: 'cuda', why: 'asked for by an earlier command' });
    assert.equal((await choose(none, { environment: { ALIGNLAB_CUDA: '0' }, ...never })).build, 'cpu');
    rememberBuild(paths, 'cpu');
    rememberBuild(paths, undefined);
    assert.equal((await choose(driver, never)).build, 'cpu');
  });

  test('who brings a TensorFlow of their own gets no CUDA build beside it', async () => {
    assert.equal((await choose(driver, { environment: { ALIGNLAB_TENSORFLOW: '/other/tensorflow' } })).build, 'cpu');
  });

  test('flags that exclude each other and a value that is neither 0 nor 1 are refused', async () => {
    assert.deepEqual([buildOfOptions({ cuda: true }), buildOfOptions({ 'no-cuda': true }), buildOfOptions({})], ['cuda', 'cpu', undefined]);
    assert.throws(() => buildOfOptions({ cuda: true, 'no-cuda': true }), { kind: 'usage', message: /exclude each other/ });
    await assert.rejects(choose(none, { environment: { ALIGNLAB_CUDA: 'yes' } }), { kind: 'usage', message: /ALIGNLAB_CUDA is "yes"; it takes 1 .* or 0/ });
  });

  test('space: the CUDA build and NVIDIA\'s libraries are counted, each only where it is missing', () => {
    const megabytes = (missing) => spaceNeeded(missing, paths, { HOME: '/', ALIGNLAB_CACHE: '/' }).reduce((sum, need) => sum + need.megabytes, 0);
    const [cpu, cuda, libraries] = [{ tensorflow: 'cpu' }, { tensorflow: 'cuda' }, { cuda: true }].map(megabytes);
    // The wheel of 573 MB beside what is taken out of it, 1,259 MB; 2,797 MB of NVIDIA's wheels beside their 4,322 MB.
    assert.ok(cuda * 2 ** 20 > (573 + 1259) * 1e6 && cuda > cpu, String(cuda));
    assert.ok(libraries * 2 ** 20 > (2797 + 4322) * 1e6, String(libraries));
    assert.equal(megabytes({ tensorflow: 'cuda', cuda: true }), cuda + libraries);
  });
});

describe('a checkout that changes between the builds', () => {
  let sandbox;
  before(() => {
    sandbox = makeSandbox();
    delete sandbox.env.ALIGNLAB_CUDA;
    // Whatever driver the machine has that runs the tests: it is asked for by this tool, or hidden.
    program(path.join(sandbox.bin, 'nvidia-smi'), '#!/bin/bash\n[ -n "$FAKE_GPU" ] || { echo "no driver"; exit 9; }\necho "$FAKE_GPU"\n');
  });
  after(() => sandbox.remove());
  beforeEach(() => sandbox.forgetCalls());

  const LISTED = { FAKE_GPU: 'NVIDIA H100 80GB HBM3, 570.86.15, 81559, 9.0' };
  const site = () => path.join(sandbox.root, '.venv/lib/python3.11/site-packages');
  /** What pip was asked for, by the names of the requirements. */
  const fetched = () => sandbox.calls().filter((call) => /^-m pip (install|download)/.test(call)).map((call) => path.basename(call.split(' ').at(-1))).sort();
  const run = (args = [], extra = {}) => {
    const { status, stderr } = sandbox.start(['--setup-only', ...args], extra);
    assert.equal(status, 0, stderr);
    return { stderr, fetched: fetched() };
  };

  test('without a driver it gets the CPU build', () => {
    const { stderr, fetched } = run();
    assert.deepEqual(fetched, ['jupyter.txt', 'tensorflow.txt']);
    assert.match(stderr, /tensorflow: the CPU build \(nvidia-smi failed: no driver\)/);
    assert.ok(!existsSync(path.join(site(), 'nvidia')));
  });

  test('a driver that appears does not change it offline; else the CUDA build is announced with its size and fetched', () => {
    assert.deepEqual(run(['--offline'], LISTED).fetched, []);
    const { stderr, fetched } = run([], LISTED);
    assert.deepEqual(fetched, ['cuda.txt', 'tensorflow-cuda.txt']);
    assert.match(stderr, /the CUDA build \(NVIDIA's driver 570\.86\.15 with NVIDIA H100 80GB HBM3\): 3\.4 GB to download, 5\.6 GB on disk in all; --no-cuda takes the CPU build/);
    for (const file of CUDA_FILES) assert.ok(existsSync(path.join(site(), 'nvidia', file)), file);
  });

  test('with it nothing is fetched again, a driver that is gone included', () => {
    assert.deepEqual(run([], LISTED).fetched, []);
    assert.deepEqual(run().fetched, []);
    assert.deepEqual(run(['--cuda']).fetched, []);
  });

  test("--no-cuda fetches the CPU build alone and keeps NVIDIA's libraries; later commands mean the same", () => {
    assert.deepEqual(run(['--no-cuda'], LISTED).fetched, ['tensorflow.txt']);
    assert.ok(existsSync(path.join(site(), 'nvidia', CUDA_FILES[0])));
    sandbox.forgetCalls();
    assert.deepEqual(run([], LISTED).fetched, []);
  });

  test('--cuda comes back without fetching them again, whether or not there is a driver', () => {
    assert.deepEqual(run(['--cuda']).fetched, ['tensorflow-cuda.txt']);
    sandbox.forgetCalls();
    assert.deepEqual(run().fetched, []);
  });

  test("one of NVIDIA's libraries that was damaged brings all of them anew, and only them", () => {
    writeFileSync(path.join(site(), 'nvidia', CUDA_FILES[2]), '');
    assert.deepEqual(run().fetched, ['cuda.txt']);
    assert.ok(sandbox.calls().some((call) => call.includes('--force-reinstall')));
    assert.notEqual(readFileSync(path.join(site(), 'nvidia', CUDA_FILES[2]), 'utf8'), '');
  });

  test('offline, what was asked for and is not there is named', () => {
    rmSync(path.join(site(), 'nvidia'), { recursive: true });
    const { status, stderr } = sandbox.start(['--setup-only', '--offline', '--cuda']);
    assert.equal(status, EXIT.offline.code, stderr);
    assert.match(stderr, /downloaded first: NVIDIA's CUDA libraries\./);
  });

  test('both flags, or another value of the variable, are refused before anything is made', () => {
    for (const [args, extra] of [[['--cuda', '--no-cuda'], {}], [[], { ALIGNLAB_CUDA: 'on' }]]) {
      const { status, stderr } = sandbox.start(['--setup-only', ...args], extra);
      assert.equal(status, EXIT.usage.code, stderr);
    }
    assert.deepEqual(fetched(), []);
  });
});

describe('the locked builds', () => {
  const requirements = (name) => readFileSync(path.join(ROOT, 'requirements', name), 'utf8');

  test('are of one release', () => {
    const release = (name) => /^tensorflow(?:-cpu)?==([\d.]+)/m.exec(requirements(name))[1];
    assert.equal(release('tensorflow-cuda.txt'), release('tensorflow.txt'));
  });

  test("NVIDIA's packages are those that the CUDA build asks for, each within its range, with a wheel's sum at least", () => {
    const locked = Object.fromEntries([...requirements('cuda.txt').matchAll(/^([a-z0-9-]+)==([\d.]+)/gm)].map(([, name, version]) => [name, version]));
    const asked = requirements('cuda.in').trim().split('\n').map((line) => /^([a-z0-9-]+)>=([\d.]+),<([\d.]+)$/.exec(line).slice(1));
    assert.deepEqual(Object.keys(locked).sort(), asked.map(([name]) => name).sort());
    for (const [name, least, below] of asked) assert.ok(!olderThan(locked[name], least) && olderThan(locked[name], below), `${name} ${locked[name]}`);
    for (const [wheel] of CUDA_FILES.map((file) => file.split('/'))) assert.ok(`nvidia-${wheel.replace('_', '-')}-cu12` in locked, wheel);
  });
});
