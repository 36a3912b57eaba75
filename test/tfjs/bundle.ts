import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

/**
 * tfjs-node's classes are ES5: they call the class that they extend as a plain function, which a class of ES6 refuses.
 * tfjs-core's `KernelBackend` has no fields and no constructor, so a function with the class's methods is the same thing.
 */
const plainKernelBackend: Plugin = {
  name: "plain KernelBackend",
  setup({ onLoad }) {
    onLoad({ filter: /tfjs-core[\\/]dist[\\/]backends[\\/]backend\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source.replace("export class KernelBackend {", "class KernelBackendMethods {");
      if (contents === source) throw new Error(`${path} no longer declares KernelBackend as the bundle expects.`);
      return { contents: `${contents}\nexport function KernelBackend() {}\nKernelBackend.prototype = KernelBackendMethods.prototype;\n` };
    });
  },
};

/**
 * The packages' names stand for one object of tfjs-core's exports, which code may write to; the specs import single files
 * and meet tfjs-core as it is.
 */
const oneTfjs: Plugin = {
  name: "one tfjs",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@tensorflow\/tfjs(-core)?$/ }, () => ({ path: "tfjs", namespace: "one-tfjs" }));
    onLoad({ filter: /.*/, namespace: "one-tfjs" }, () => ({ contents: 'module.exports = { ...require("@tensorflow/tfjs-core/dist/index.js") };', resolveDir: __dirname }));
  },
};

/**
 * Bundles tfjs-core, its specs and the engine's backend, with one tfjs-core for all three, into one file.
 * @returns the file's path
 */
export async function bundleSuite(root: string): Promise<string> {
  const folder = join(root, ".cache", "tfjs");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "suite.cjs");
  await build({
    entryPoints: [join(root, "test", "tfjs", "suite.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    // The ES modules of tfjs-core, of which the specs import single files.
    mainFields: ["module", "main"],
    external: ["koffi", "jasmine", "jasmine-core", "@tensorflow/tfjs-backend-wasm", "@tensorflow/tfjs-backend-webgpu"],
    // tfjs-core's package.json declares files to be without effects that register gradients and methods.
    ignoreAnnotations: true,
    sourcemap: "linked",
    plugins: [plainKernelBackend, oneTfjs],
    logLevel: "error",
  });
  return outfile;
}
