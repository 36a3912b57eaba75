import { statSync } from "node:fs";
import type { DirectoryWatcherCallback, FileWatcher, FileWatcherCallback, System } from "@tslab/typescript-for-tslab";
import { typescript as ts } from "./tslab";

/** The time of last change in milliseconds; 0 for a file that is not there. */
export function changeTime(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * Takes the place of TypeScript's file watchers. tslab set thousands of them under node_modules; a cell needs the
 * state of the files at the moment it is compiled and no sooner, so we look at the few that can change just then.
 */
export class WatchedFiles {
  private readonly files = new Map<string, { time: number; callback: FileWatcherCallback }>();
  private readonly folders = new Map<string, Set<DirectoryWatcherCallback>>();

  private readonly timers = new Set<() => void>();

  /** Puts our watchers in TypeScript's `sys`, before a converter is made. */
  install(): void {
    ts.sys.watchFile = (path, callback) => this.watchFile(path, callback);
    ts.sys.watchDirectory = (path, callback) => this.watchFolder(path, callback);
  }

  /**
   * tslab's converter expects one timer only, the one that rebuilds its program. TypeScript has another, to look again
   * for modules it did not find; that one is kept here and goes off as soon as the changes are told.
   */
  separateTimers(sys: System): void {
    const { setTimeout, clearTimeout } = sys;
    sys.setTimeout = (callback, ...rest) => {
      if (callback.name === "updateProgramWithWatchStatus") return setTimeout!(callback, ...rest);
      this.timers.add(callback);
      return callback;
    };
    sys.clearTimeout = (id) => void (this.timers.delete(id) || typeof id === "function" || clearTimeout!(id));
  }

  private runTimers(): void {
    for (const callback of [...this.timers]) if (this.timers.delete(callback)) callback();
  }

  private watchFile(path: string, callback: FileWatcherCallback): FileWatcher {
    if (path.includes("/node_modules/")) return { close: () => undefined };
    this.files.set(path, { time: changeTime(path), callback });
    return { close: () => void this.files.delete(path) };
  }

  private watchFolder(path: string, callback: DirectoryWatcherCallback): FileWatcher {
    if (path.includes("/node_modules")) return { close: () => undefined };
    const callbacks = this.folders.get(path) ?? new Set();
    this.folders.set(path, callbacks.add(callback));
    return { close: () => void callbacks.delete(callback) };
  }

  /** Tells TypeScript which of its files changed since the last look. */
  lookForChanges(): void {
    for (const [path, file] of [...this.files]) {
      const time = changeTime(path);
      if (time === file.time) continue;
      const kinds = ts.FileWatcherEventKind;
      const kind = time === 0 ? kinds.Deleted : file.time === 0 ? kinds.Created : kinds.Changed;
      file.time = time;
      file.callback(path, kind);
    }
    this.runTimers();
  }

  /** Tells TypeScript that files are there now which it may remember as missing. */
  announce(paths: string[]): void {
    for (const [folder, callbacks] of this.folders) {
      for (const path of paths) if (path.startsWith(`${folder}/`)) for (const callback of [...callbacks]) callback(path);
    }
    this.runTimers();
  }
}
