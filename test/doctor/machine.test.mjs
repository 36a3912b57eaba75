import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { instructionsProbe, memoryProbe, systemProbe, threadsProbe } from '../../scripts/doctor/machine.mjs';
import { fakeSystem } from './checkout.mjs';

const context = (change, environment = {}) => ({ system: fakeSystem(change), environment, paths: { root: '/home/u/alignlab' } });

function expect(finding, state, found, advice) {
  assert.equal(finding.state, state, JSON.stringify(finding));
  assert.match(finding.found, found);
  if (advice) assert.match(finding.advice, advice);
  else assert.equal(finding.advice, undefined);
}

describe('the system', () => {
  for (const [name, change, environment, ...expected] of [
    ['Linux on x86-64', {}, {}, 'ok', /^linux x64, glibc 2\.36$/],
    ['Docker', { present: ['/.dockerenv'] }, {}, 'ok', /in a container \(Docker\)/],
    ['Podman', { present: ['/run/.containerenv'] }, {}, 'ok', /\(Podman\)/],
    ['Kubernetes', { present: ['/.dockerenv'] }, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, 'ok', /\(Kubernetes\)/],
    ['LXC, by the groups of its first process', { files: { '/proc/1/cgroup': '0::/lxc/one' } }, {}, 'ok', /\(lxc\)/],
    ['WSL2', { files: { '/proc/sys/kernel/osrelease': '5.15.90.1-microsoft-standard-WSL2' } }, {}, 'ok', /WSL2/],
    ['WSL1', { files: { '/proc/sys/kernel/osrelease': '4.4.0-19041-Microsoft' } }, {}, 'advice', /WSL1/, /--set-version/],
    ['musl', { machine: { glibc: undefined } }, {}, 'amiss', /no glibc/, /musl/],
    ['an old glibc', { machine: { glibc: '2.17' } }, {}, 'amiss', /glibc 2\.17/, /2\.27 or newer/],
    ['ARM', { machine: { arch: 'arm64' } }, {}, 'amiss', /arm64/, /x86-64 only/],
    ['macOS', { machine: { platform: 'darwin', arch: 'arm64', glibc: undefined } }, {}, 'amiss', /darwin/, /never run/],
  ]) test(name, () => expect(systemProbe(context(change, environment)), ...expected));

  test('a checkout on a Windows drive', () => {
    const files = { '/proc/sys/kernel/osrelease': '5.15.90.1-microsoft-standard-WSL2' };
    expect(systemProbe({ ...context({ files }), paths: { root: '/mnt/c/alignlab' } }), 'advice', /WSL2/, /Windows drive/);
  });
});

describe('instruction sets', () => {
  const of = (cpuFlags) => instructionsProbe(context({ machine: { cpuFlags } }));

  test('with AMX bfloat16 is native', () => {
    const finding = of('fpu avx avx2 fma f16c avx512f avx512_bf16 amx_tile amx_bf16 amx_int8');
    expect(finding, 'ok', /^AVX, AVX2, FMA, F16C, AVX512, AVX512_BF16, AMX_BF16, AMX_INT8; bfloat16 is native \(AVX512_BF16, AMX_BF16\)/);
    assert.deepEqual(finding.values.bfloat16, true);
  });
  test('without it float32 is advised', () => {
    const finding = of('fpu avx avx2 fma f16c avx512f');
    expect(finding, 'advice', /^AVX, AVX2, FMA, F16C, AVX512; bfloat16 is not native$/, /Train in float32/);
    assert.equal(finding.values.bfloat16, false);
    assert.doesNotMatch(finding.advice, /Without AVX2/);
  });
  test('an old processor is slow', () => expect(of('fpu avx'), 'advice', /^AVX;/, /Without AVX2 and FMA/));
  test('no AVX', () => expect(of('fpu sse avx_vnni_only'), 'amiss', /none of those/, /needs AVX/));
  test('no text about the processor', () => expect(of(undefined), 'advice', /unknown/, /needs AVX/));
});

describe('threads', () => {
  const v2 = (group, max) => ({ '/proc/self/cgroup': `0::${group}\n`, [`/sys/fs/cgroup${group === '/' ? '' : group}/cpu.max`]: max });

  test('as many as cores', () => expect(threadsProbe(context()), 'ok', /^4 cores$/));
  test('a quota of version 2 below the cores', () => {
    const finding = threadsProbe(context({ files: v2('/box', '150000 100000\n') }));
    expect(finding, 'advice', /4 cores, control group allows 1\.5/, /4 threads would share 1 core: set ALIGNLAB_INTRA_OP_THREADS=1\./);
    assert.equal(finding.values.quota, 1.5);
  });
  test('a quota of a group above', () => {
    const files = { ...v2('/a/b', 'max 100000\n'), '/sys/fs/cgroup/a/cpu.max': '200000 100000\n' };
    expect(threadsProbe(context({ files })), 'advice', /allows 2/, /THREADS=2/);
  });
  test('no limit in words and in version 1', () => {
    expect(threadsProbe(context({ files: v2('/', 'max 100000\n') })), 'ok', /^4 cores$/);
    expect(threadsProbe(context({ files: { '/proc/self/cgroup': '1:cpu,cpuacct:/\n', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' } })), 'ok', /^4 cores$/);
  });
  test('a quota of version 1, whose own path only the host knows', () => {
    const files = { '/proc/self/cgroup': '1:cpu,cpuacct:/docker/0123\n', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '300000\n', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' };
    expect(threadsProbe(context({ files })), 'advice', /allows 3/, /THREADS=3/);
  });
  test('a quota that the variable respects', () => expect(threadsProbe(context({ files: v2('/', '200000 100000') }, { ALIGNLAB_INTRA_OP_THREADS: '2' })), 'ok', /ALIGNLAB_INTRA_OP_THREADS=2/));
  test('more threads than cores', () => expect(threadsProbe(context({}, { ALIGNLAB_INTRA_OP_THREADS: '8' })), 'advice', /=8/, /8 threads would share 4 cores/));
  test('fewer threads than cores', () => expect(threadsProbe(context({}, { ALIGNLAB_INTRA_OP_THREADS: '3' })), 'advice', /=3/, /1 core stands idle/));
  test('one thread within ops, so that ops run side by side', () => {
    expect(threadsProbe(context({}, { ALIGNLAB_INTRA_OP_THREADS: '1' })), 'ok', /=1/);
    expect(threadsProbe(context({}, { ALIGNLAB_INTRA_OP_THREADS: '1', ALIGNLAB_INTER_OP_THREADS: '1' })), 'advice', /=1/, /3 cores stand idle/);
  });
  test('a variable that is no number', () => expect(threadsProbe(context({}, { ALIGNLAB_INTER_OP_THREADS: 'many' })), 'amiss', /=many/, /ALIGNLAB_INTER_OP_THREADS must be a whole number/));
});

describe('memory', () => {
  test('plenty', () => {
    const finding = memoryProbe(context());
    expect(finding, 'ok', /^16\.0 GB in all, 12\.5 GB free$/);
    assert.equal(finding.values.limit, null);
  });
  test('under 8 GB', () => expect(memoryProbe(context({ totalMemory: 6e9 })), 'advice', /^6\.0 GB in all, 6\.0 GB free/, /Under 8 GB.*profile "quick"/));
  test('little of it free', () => expect(memoryProbe(context({ files: { '/proc/meminfo': 'MemAvailable: 2000000 kB\n' } })), 'advice', /2\.0 GB free/, /Little is free/));
  test('too little', () => expect(memoryProbe(context({ totalMemory: 2e9 })), 'amiss', /2\.0 GB/, /needs about 3\.0 GB/));
  test('a control group of version 2', () => {
    const files = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '4000000000\n', '/sys/fs/cgroup/memory.current': '500000000\n' };
    const finding = memoryProbe(context({ files }));
    expect(finding, 'advice', /16\.0 GB in all, control group allows 4\.0 GB, 3\.5 GB free/, /Under 8 GB/);
    assert.equal(finding.values.limit, 4e9);
  });
  test('a control group of version 1, and its word for no limit', () => {
    const group = (limit) => ({ '/proc/self/cgroup': '4:memory:/jobs/one\n', '/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes': limit, '/sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes': '1000000000\n' });
    expect(memoryProbe(context({ files: group('2500000000\n') })), 'amiss', /allows 2\.5 GB, 1\.5 GB free/, /raise the limit/);
    expect(memoryProbe(context({ files: group('9223372036854771712\n') })), 'ok', /^16\.0 GB in all, 12\.5 GB free$/);
  });
  test('no text about the memory', () => expect(memoryProbe(context({ readText: () => undefined })), 'ok', /^16\.0 GB in all, 16\.0 GB free$/));
});
