export function ensureNbgrader(onProgress?: (text: string) => void): Promise<string>;
