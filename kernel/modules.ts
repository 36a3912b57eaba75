import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { changeTime } from "./files";

/** The modules that cells import, and reloading of those whose files were edited. */
export class Modules {
  /** Resolves as an editor would from a file in the notebook's folder. */
  readonly require: NodeJS.Require;
  private readonly times = new Map<string, number>();

  constructor(
    folder: string,
    private readonly root: string,
  ) {
    this.require = createRequire(join(folder, "notebook.ts"));
  }

  private ownModules(): NodeModule[] {
    const kernelFolder = join(this.root, "kernel/");
    return Object.values(this.require.cache).filter(
      (module): module is NodeModule =>
        module !== undefined && !module.filename.includes("/node_modules/") && !module.filename.startsWith(kernelFolder),
    );
  }

  /** Notes the files as they are when their modules were loaded. To be called after each cell. */
  note(): void {
    for (const { filename } of this.ownModules()) if (!this.times.has(filename)) this.times.set(filename, changeTime(filename));
  }

  /** Stop in the middle of an import leaves modules that Node believes to be on their way. */
  private dropHalfLoaded(): void {
    for (const module of Object.values(this.require.cache)) if (module && !module.loaded) delete this.require.cache[module.filename];
  }

  /**
   * Forgets modules whose files changed and all that depend on them, so that the next import loads them anew.
   * Returns the changed files, relative to the project, and how many modules were forgotten with them.
   */
  refresh(): { changed: string[]; dependents: number } {
    this.dropHalfLoaded();
    const modules = this.ownModules();
    const changed = modules.filter(({ filename }) => this.times.has(filename) && this.times.get(filename) !== changeTime(filename));
    if (changed.length === 0) return { changed: [], dependents: 0 };
    const stale = new Set(changed);
    for (let size = 0; size !== stale.size; ) {
      size = stale.size;
      for (const module of modules) if (module.children.some((child) => stale.has(child))) stale.add(module);
    }
    for (const { filename } of stale) {
      delete this.require.cache[filename];
      this.times.delete(filename);
    }
    return { changed: changed.map(({ filename }) => relative(this.root, filename)), dependents: stale.size - changed.length };
  }
}
