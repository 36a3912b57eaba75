import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { changeTime } from "./files";

/** What became of files that were edited since the last cell, by their paths in the project. */
export interface Reload {
  /** Loaded anew by the next import. */
  changed: string[];
  /** How many modules that depend on those are loaded anew with them. */
  dependents: number;
  /** Not loaded anew, because the running engine stands on them. */
  held: string[];
}

/** A second copy of it would not know the tensors and variables of the first. */
const engine = join("src", "engine", "backend.ts");

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
   * Forgets modules whose files changed and all that depend on them, so that the next import loads them anew. Those that
   * the engine consists of stay.
   */
  refresh(): Reload {
    this.dropHalfLoaded();
    const modules = this.ownModules();
    const edited = modules.filter(({ filename }) => this.times.has(filename) && this.times.get(filename) !== changeTime(filename));
    if (edited.length === 0) return { changed: [], dependents: 0, held: [] };
    const standing = this.standing(modules);
    const held = edited.filter((module) => standing.has(module));
    for (const { filename } of held) this.times.set(filename, changeTime(filename));
    const changed = edited.filter((module) => !standing.has(module));
    const stale = new Set(changed);
    for (let size = 0; size !== stale.size; ) {
      size = stale.size;
      for (const module of modules) if (module.children.some((child) => stale.has(child))) stale.add(module);
    }
    for (const { filename } of stale) {
      delete this.require.cache[filename];
      this.times.delete(filename);
    }
    const paths = (of: NodeModule[]): string[] => of.map(({ filename }) => relative(this.root, filename));
    return { changed: paths(changed), dependents: stale.size - changed.length, held: paths(held) };
  }

  /** The engine, once it is loaded, and all that it imports. */
  private standing(modules: NodeModule[]): Set<NodeModule> {
    const found = new Set(modules.filter(({ filename }) => filename === join(this.root, engine)));
    for (const module of found) for (const child of module.children) found.add(child);
    return found;
  }
}
