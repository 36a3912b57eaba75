import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** The TensorFlow release whose C API the engine is written and tested against. */
export const TENSORFLOW_VERSION = "2.21";

/** Thrown when TensorFlow's libraries are missing, of another release, or made for another machine. */
export class RuntimeError extends Error {
  override name = "RuntimeError";
}

export interface RuntimeLibraries {
  /** Folder of the wheel's `tensorflow` package. */
  folder: string;
  /** Absolute paths, in the order in which they must be opened. */
  framework: string;
  cc: string;
}

const REPAIR = "Run `npm start` or `npm test` in the project's folder: both install what is missing.";

/** The project's root: where the kernel says it is, else the folder above `src`. */
export function projectRoot(): string {
  return resolve(process.env.ALIGNLAB_ROOT ?? join(__dirname, "..", ".."));
}

/** Library file names by platform. The macOS names follow the wheel's layout and have not been run. */
function libraryNames(platform: NodeJS.Platform): { framework: string; cc: string } {
  if (platform === "linux") return { framework: "libtensorflow_framework.so.2", cc: "libtensorflow_cc.so.2" };
  if (platform === "darwin") return { framework: "libtensorflow_framework.2.dylib", cc: "libtensorflow_cc.2.dylib" };
  throw new RuntimeError(
    `TensorFlow's wheel has no C library for ${platform}. On Windows, work inside WSL2 (Windows Subsystem for Linux).`,
  );
}

function sitePackages(venv: string): string[] {
  const lib = join(venv, "lib");
  if (!existsSync(lib)) return [];
  return readdirSync(lib)
    .filter((name) => /^python3\.\d+$/.test(name))
    .map((name) => join(lib, name, "site-packages"));
}

/**
 * Finds TensorFlow's shared libraries: in `ALIGNLAB_TENSORFLOW` (the wheel's `tensorflow` folder) when it is set,
 * else in the project's own `.venv`.
 * @throws RuntimeError that names the folder looked at and the command to run.
 */
export function findRuntime(root = projectRoot(), platform: NodeJS.Platform = process.platform): RuntimeLibraries {
  const names = libraryNames(platform);
  const named = process.env.ALIGNLAB_TENSORFLOW;
  const folders = named ? [resolve(named)] : sitePackages(join(root, ".venv")).map((site) => join(site, "tensorflow"));
  for (const folder of folders) {
    const framework = join(folder, names.framework);
    const cc = join(folder, names.cc);
    if (existsSync(framework) && existsSync(cc)) {
      checkInstalledVersion(folder);
      return { folder, framework, cc };
    }
  }
  if (named) {
    throw new RuntimeError(
      `ALIGNLAB_TENSORFLOW is ${named}, which holds no ${names.cc}. Point it at the \`tensorflow\` folder of an installed wheel, or unset it.`,
    );
  }
  throw new RuntimeError(`TensorFlow's library ${names.cc} was not found in ${join(root, ".venv")}. ${REPAIR}`);
}

function checkInstalledVersion(folder: string): void {
  const record = readdirSync(join(folder, "..")).find((name) => /^tensorflow(_cpu)?-[\d.]+\.dist-info$/.test(name));
  const version = record?.match(/-([\d.]+)\.dist-info$/)?.[1];
  if (version !== undefined) checkVersion(version, folder);
}

/** @throws RuntimeError unless `version` belongs to the release that the engine is written for. */
export function checkVersion(version: string, folder: string): void {
  if (version === TENSORFLOW_VERSION || version.startsWith(`${TENSORFLOW_VERSION}.`)) return;
  throw new RuntimeError(
    `TensorFlow ${version} in ${folder} is not the ${TENSORFLOW_VERSION} that this engine needs. ${REPAIR}`,
  );
}
