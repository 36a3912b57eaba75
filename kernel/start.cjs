// What Jupyter starts: `node kernel/start.cjs <connection file>`.
const Module = require("node:module");
const { join } = require("node:path");

const loadNatively = Module._extensions[".js"];
// Loaded before tsx puts its hooks in place: through them TypeScript's ten megabytes take three times as long.
Module.createRequire(require.resolve("tslab"))("@tslab/typescript-for-tslab");
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

// Only a dynamic import of one of our own files needs these, and they take half a second to set up.
setTimeout(() => require("tsx/esm/api").register(), 1000);
