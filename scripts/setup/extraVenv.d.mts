export interface ExtraPaths {
  venv: string;
  python: string;
  requirements: string;
  stamp: string;
}

export interface ExtraPackages {
  what: string;
  size: string;
  oldestMinor: number;
  needs: string;
}

export function extraPaths(name: string, root?: string): ExtraPaths;
export function extraReady(paths: ExtraPaths): boolean;
export function ensureExtra(paths: ExtraPaths, packages: ExtraPackages, onProgress?: (text: string) => void): Promise<string>;
