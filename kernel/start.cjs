// What Jupyter starts: `node kernel/start.cjs <connection file>`. Of tsx only the half for CommonJS is set up, in a third
// of the time of the whole, so the files of src cannot import each other dynamically; cells can import them so.
const Module = require("node:module");
const { join } = require("node:path");

const loadNatively = Module._extensions[".js"];
// Loaded before tsx puts its hooks in place: through them TypeScript's ten megabytes take three times as long.
Module.createRequire(require.resolve("tslab"))("@tslab/typescript-for-tslab");
const esbuild = `@esbuild/${process.platform}-${process.arch}/bin/esbuild`;
process.env.ALIGNLAB_ESBUILD = Module.createRequire(Module.createRequire(require.resolve("tsx")).resolve("esbuild")).resolve(esbuild);
process.env.ESBUILD_BINARY_PATH = join(__dirname, "esbuild.sh");
process.env.TSX_TSCONFIG_PATH = join(__dirname, "..", "tsconfig.json");
require("tsx/cjs");

// For the same reason packages are loaded as if tsx were not there, except those that Node cannot load by itself.
const loadWithTsx = Module._extensions[".js"];
Module._extensions[".js"] = (module, path) => {
  if (!path.includes("/node_modules/")) return loadWithTsx(module, path);
  try {
    return loadNatively(module, path);
  } catch (error) {
    if (error?.code !== "ERR_REQUIRE_ESM") throw error;
    return loadWithTsx(module, path);
  }
};

require("./main.ts");
