import { SetupFailure } from './failure.mjs';

const CHECKSUM = [/DO NOT MATCH THE HASHES/, /\bEINTEGRITY\b/, /Hash mismatch/i];
const DISK = [/\bENOSPC\b/, /\bEDQUOT\b/, /No space left on device/i, /Disk quota exceeded/i];
const READ_ONLY = [/\bEROFS\b/, /\bEACCES\b/, /Read-only file system/i, /Permission denied/i];
const NETWORK = [
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b/,
  /Failed to establish a new connection/,
  /Temporary failure in name resolution/,
  /Name or service not known/,
  /Failed to resolve/,
  /Network is unreachable/i,
  /Connection (refused|reset|aborted|broken)/i,
  /(ReadTimeoutError|ConnectTimeoutError|NewConnectionError|NameResolutionError|ProxyError|IncompleteRead|ProtocolError)/,
  /Read timed out/i,
  // All that pip says when it does not retry. Every pinned version exists, so an index that lists none was not reached.
  /\(from versions: none\)/,
];

const matches = (patterns, output) => patterns.some((pattern) => pattern.test(output));

/**
 * The failure behind what npm or pip printed. The order matters: a full disk shows up as a broken download too.
 * @param {'npm'|'pip'} tool @param {string} what what was being fetched, for the sentence @param {string} output
 */
export function diagnose(tool, what, output) {
  const details = lastLines(output, 8);
  if (matches(CHECKSUM, output)) {
    return new SetupFailure('checksum', `A file downloaded for ${what} does not have its recorded sum, so it was not used. Something between here and the package index changed it: try again, and if it stays, look at your proxy or mirror.`, details);
  }
  if (matches(DISK, output)) {
    return new SetupFailure('disk', `The disk filled up while fetching ${what}. Free some space (the README says how much is needed) and run the command again.`, details);
  }
  if (matches(NETWORK, output)) {
    return new SetupFailure('network', `No network, or ${tool} could not reach its package index, while fetching ${what}. Check the connection (and ${tool}'s proxy settings) and run the command again: what is done is kept.`, details);
  }
  if (matches(READ_ONLY, output)) {
    return new SetupFailure('readOnly', `${tool} was not allowed to write a file while fetching ${what}. Check who owns the project's folder and ${tool}'s own cache folder.`, details);
  }
  return new SetupFailure(tool === 'npm' ? 'npmFailed' : 'pipFailed', `${tool} failed while fetching ${what}; its last lines are above.`, details);
}

function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).map((line) => line.slice(0, 300)).join('\n');
}
