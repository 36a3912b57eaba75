/** Exit codes of `npm start` and `npm test` before JupyterLab or the tests run. 10 is used in node-version.mjs. */
export const EXIT = {
  unexpected: { code: 1, meaning: 'an error that this table does not know' },
  usage: { code: 2, meaning: 'unknown option or bad value' },
  node: { code: 10, meaning: 'Node is older than 20' },
  npm: { code: 11, meaning: 'npm was not found' },
  python: { code: 12, meaning: 'no Python was found' },
  pythonVersion: { code: 13, meaning: 'Python is outside 3.10 to 3.13' },
  pythonVenv: { code: 14, meaning: 'Python cannot make virtual environments (Debian and Ubuntu: python3-venv)' },
  platform: { code: 15, meaning: 'not Linux on x86-64' },
  network: { code: 16, meaning: 'a download failed: no network' },
  checksum: { code: 17, meaning: 'a downloaded file does not have its recorded sum' },
  disk: { code: 18, meaning: 'the disk is full' },
  readOnly: { code: 19, meaning: 'a folder cannot be written' },
  npmFailed: { code: 20, meaning: 'npm ci failed for another reason' },
  pipFailed: { code: 21, meaning: 'pip or venv failed for another reason' },
  offline: { code: 22, meaning: '--offline was given, and something has to be downloaded' },
  busy: { code: 23, meaning: 'another set-up of this folder did not end in time' },
  interrupted: { code: 130, meaning: 'interrupted with Ctrl-C (143: terminated)' },
};

/** A failure that is expected somewhere: printed as one sentence, without a stack, with its own exit code. */
export class SetupFailure extends Error {
  /** @param {keyof typeof EXIT} kind @param {string} message @param {string} [details] what the failing tool printed */
  constructor(kind, message, details) {
    super(message);
    this.name = 'SetupFailure';
    this.kind = kind;
    this.details = details;
  }
}

/** Prints a failure and returns its exit code. */
export function reportFailure(error, print = console.error) {
  if (error instanceof SetupFailure) {
    if (error.details) print(error.details.trimEnd());
    print(error.message);
    return error.exitCode ?? EXIT[error.kind].code;
  }
  const fromSystem = failureOfSystemError(error);
  if (fromSystem) return reportFailure(fromSystem, print);
  print(error?.stack ?? String(error));
  return EXIT.unexpected.code;
}

/** The failure that an error of Node's file functions stands for, or undefined. */
export function failureOfSystemError(error) {
  const where = error?.path ? ` at ${error.path}` : '';
  switch (error?.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new SetupFailure('disk', `The disk is full${where}. Free some space and run the command again.`);
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
    case 'ENOTDIR':
      return new SetupFailure('readOnly', `Cannot write${where} (${error.code}). Make it writable, or choose another folder for downloads with ALIGNLAB_CACHE.`);
    default:
      return undefined;
  }
}
