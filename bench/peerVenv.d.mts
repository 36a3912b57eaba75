export interface PeerPaths {
  venv: string;
  python: string;
  requirements: string;
  stamp: string;
}

export function peerPaths(root?: string): PeerPaths;
export function peerReady(paths?: PeerPaths): boolean;
export function ensurePeer(onProgress?: (text: string) => void): Promise<string>;
