import { ensureExtra, extraPaths } from '../setup/extraVenv.mjs';

const NBGRADER = {
  what: 'nbgrader and what it needs',
  size: '0.1 GB to download, 0.4 GB on disk',
  oldestMinor: 11,
  needs: 'nbgrader needs Python 3.11 to 3.13. Install one, or name it with ALIGNLAB_PYTHON.',
};

/**
 * Makes nbgrader's own environment, `.venv-nbgrader`, where it is missing.
 * @param {(text: string) => void} onProgress
 * @returns {Promise<string>} the path of its Python
 */
export function ensureNbgrader(onProgress = () => {}) {
  return ensureExtra(extraPaths('nbgrader'), NBGRADER, onProgress);
}
