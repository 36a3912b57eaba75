import { ensureExtra, extraPaths, extraReady } from '../scripts/setup/extraVenv.mjs';

const PEERS = {
  what: 'The peers (PyTorch, transformers, PEFT, TRL)',
  size: '2.6 GB to download, 4.6 GB on disk',
  oldestMinor: 11,
  needs: 'The peers need Python 3.11 to 3.13 (PyTorch 2.15 and transformers 5 do). Install one, or name it with ALIGNLAB_PYTHON; --peer none measures without a peer.',
};

/** Where the peers' own virtual environment lies, and what it is made from. */
export function peerPaths(root) {
  return extraPaths('peer', root);
}

/** Whether the peers' environment is there and whole. */
export function peerReady(paths = peerPaths()) {
  return extraReady(paths);
}

/**
 * Makes the peers' environment where it is missing: PyTorch, transformers, PEFT and TRL, pinned, with their sums.
 * @param {(text: string) => void} onProgress
 * @returns {Promise<string>} the path of its Python
 */
export function ensurePeer(onProgress = () => {}) {
  return ensureExtra(peerPaths(), PEERS, onProgress);
}
