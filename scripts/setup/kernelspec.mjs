import path from 'node:path';
import { writeIfChanged } from './stamp.mjs';

/** The name by which notebooks and tools ask for the kernel. */
export const KERNEL_NAME = 'alignlab';

/** JupyterLab's fetch of news from its own site, which would be the only request to leave the machine. */
const ANNOUNCEMENTS = '@jupyterlab/apputils-extension:announcements';

/**
 * The kernel's spec: Node and the launcher, by absolute paths. Without the flag Node takes it for a fault of its own
 * when Stop ends a computation that never pauses (kernel/guard.cjs).
 */
export function kernelSpec(paths, node = process.execPath) {
  return {
    argv: [node, '--no-warnings', '--no-force-async-hooks-checks', path.join(paths.root, 'kernel', 'start.cjs'), '{connection_file}'],
    display_name: 'TypeScript (Alignlab)',
    language: 'typescript',
    interrupt_mode: 'signal',
    metadata: { debugger: false },
  };
}

/** Where the kernel's spec lies. */
export function kernelSpecFile(paths) {
  return path.join(paths.venv, 'share', 'jupyter', 'kernels', KERNEL_NAME, 'kernel.json');
}

/** Writes the kernel's spec and JupyterLab's page settings into the virtual environment, where they differ. */
export function writeKernelSpec(paths) {
  writeJson(kernelSpecFile(paths), kernelSpec(paths));
  writeJson(path.join(paths.venv, 'etc', 'jupyter', 'labconfig', 'page_config.json'), { disabledExtensions: { [ANNOUNCEMENTS]: true } });
}

function writeJson(file, value) {
  writeIfChanged(file, `${JSON.stringify(value, null, 1)}\n`);
}
