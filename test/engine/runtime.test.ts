import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, test } from "node:test";
import { checkVersion, findRuntime, projectRoot, RuntimeError } from "../../src/engine/runtime";

const base = mkdtempSync(path.join(tmpdir(), "alignlab-runtime-"));
const given = process.env.ALIGNLAB_TENSORFLOW;
after(() => rmSync(base, { recursive: true, force: true }));
afterEach(() => {
  if (given === undefined) delete process.env.ALIGNLAB_TENSORFLOW;
  else process.env.ALIGNLAB_TENSORFLOW = given;
});

/** A project folder whose venv holds empty files under the names of TensorFlow's libraries. */
function project(name: string, version: string, suffix = "so.2"): { root: string; folder: string } {
  const root = path.join(base, name);
  const site = path.join(root, ".venv/lib/python3.12/site-packages");
  const folder = path.join(site, "tensorflow");
  mkdirSync(folder, { recursive: true });
  mkdirSync(path.join(site, `tensorflow_cpu-${version}.dist-info`));
  for (const library of ["libtensorflow_framework", "libtensorflow_cc"]) {
    writeFileSync(path.join(folder, suffix === "so.2" ? `${library}.so.2` : `${library}.2.dylib`), "");
  }
  return { root, folder };
}

const refused = (run: () => unknown, message: RegExp): void => {
  delete process.env.ALIGNLAB_TENSORFLOW;
  assert.throws(run, (error) => error instanceof RuntimeError && message.test(error.message));
};

test("the libraries of the project's own venv are found", () => {
  delete process.env.ALIGNLAB_TENSORFLOW;
  const { root, folder } = project("whole", "2.21.0");
  assert.deepEqual(findRuntime(root, "linux"), { folder, framework: path.join(folder, "libtensorflow_framework.so.2"), cc: path.join(folder, "libtensorflow_cc.so.2") });
  const mac = project("mac", "2.21.1", "dylib");
  assert.equal(findRuntime(mac.root, "darwin").cc, path.join(mac.folder, "libtensorflow_cc.2.dylib"));
});

test("ALIGNLAB_TENSORFLOW goes before the venv, and is named when it is wrong", () => {
  const { root } = project("named", "2.21.0");
  const other = project("elsewhere", "2.21.0");
  process.env.ALIGNLAB_TENSORFLOW = other.folder;
  assert.equal(findRuntime(root, "linux").folder, other.folder);
  process.env.ALIGNLAB_TENSORFLOW = base;
  assert.throws(() => findRuntime(root, "linux"), (error) =>
    error instanceof RuntimeError && error.message === `ALIGNLAB_TENSORFLOW is ${base}, which holds no libtensorflow_cc.so.2. Point it at the \`tensorflow\` folder of an installed wheel, or unset it.`);
});

test("no venv: the folder and the command", () => {
  const root = path.join(base, "nothing");
  refused(() => findRuntime(root, "linux"), new RegExp(`^TensorFlow's library libtensorflow_cc.so.2 was not found in ${root}/.venv\\. Run \`npm start\` or \`npm test\``));
});

test("another release: both versions and the command", () => {
  const { root, folder } = project("old", "2.20.0");
  refused(() => findRuntime(root, "linux"), new RegExp(`^TensorFlow 2\\.20\\.0 in ${folder} is not the 2\\.21 that this engine needs\\. Run \`npm start\``));
  for (const version of ["2.21", "2.21.3"]) checkVersion(version, folder);
  for (const version of ["2.2", "2.210.0", "3.21.0"]) assert.throws(() => checkVersion(version, folder), RuntimeError);
});

test("Windows is sent to WSL2", () => {
  refused(() => findRuntime(base, "win32"), /no C library for win32.*WSL2/);
});

test("a process that names TensorFlow and lacks its libraries stops at import with the same sentence", () => {
  const script = `try { require(${JSON.stringify(path.join(projectRoot(), "src/engine/capi.ts"))}) } catch (error) { console.log(error.name + ": " + error.message) }`;
  const env = { ...process.env, ALIGNLAB_ROOT: path.join(base, "nothing"), ALIGNLAB_TENSORFLOW: "", ALIGNLAB_BACKEND: "tensorflow" };
  const output = execFileSync(process.execPath, ["--import", "tsx", "-e", script], { encoding: "utf8", env, cwd: projectRoot() });
  assert.match(output, /^RuntimeError: TensorFlow's library .* was not found in .*nothing/);
});
