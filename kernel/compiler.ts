import { dirname, join, resolve } from "node:path";
import type * as TypeScript from "@tslab/typescript-for-tslab";
import type { CompletionInfo, Converter, Diagnostic } from "tslab/dist/converter";
import { WatchedFiles } from "./files";
import { expandShorthands } from "./shorthand";
import { awaits, checkLoops, exportedNames, plainExports } from "./transform";
import { createConverter, typescript as ts } from "./tslab";

/** A cell as JavaScript that can run. */
export interface CompiledCell {
  code: string;
  /** Whether the cell awaits at its top level. */
  isAsync: boolean;
  /** The exported variable that holds the value of the cell's last expression. */
  resultName: string | undefined;
  /** What the cell declares. */
  names: string[];
  /** Source maps from `code` back to the cell, outermost first. */
  maps: string[];
  /** Declarations of everything known after this cell, for `Compiler.adopt`. */
  declarations: string;
}

export class CompileError extends Error {
  override name = "CompileError";
  constructor(readonly problems: Diagnostic[]) {
    super(problems[0]?.messageText ?? "the cell cannot be compiled");
  }
}

const mapComment = /\n?\/\/# sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,([\w+/=]+)\s*$/;
const cannotFindModule = 2307;
/** What TypeScript 5.0 does not know yet of ES2023. Not one of its root files, which tslab replaces when it adds a module. */
const newerLibrary = join(__dirname, "es2023.d.ts");

type Emit = TypeScript.BuilderProgram["emit"];

/** Names of the functions that a cell declares, whether or not it compiles. */
export function declaredFunctions(source: string): string[] {
  const isFunction = (node?: TypeScript.Node): boolean => node !== undefined && (ts.isArrowFunction(node) || ts.isFunctionExpression(node));
  return ts.createSourceFile("cell.ts", source, ts.ScriptTarget.ES2022).statements.flatMap((statement) => {
    if (ts.isFunctionDeclaration(statement)) return statement.name ? [statement.name.text] : [];
    if (!ts.isVariableStatement(statement)) return [];
    return statement.declarationList.declarations.flatMap(({ name, initializer }) => (ts.isIdentifier(name) && isFunction(initializer) ? [name.text] : []));
  });
}

/** tslab's converter with the project's compiler settings, working in the notebook's own folder. */
export class Compiler {
  private readonly files = new WatchedFiles();
  private readonly converter: Converter;
  private declarations = "";
  private maps: string[] = [];
  private names: string[] = [];
  private isAsync = false;

  constructor(
    private readonly folder: string,
    private readonly root: string,
  ) {
    this.files.install();
    this.replaceHost();
    this.replaceTranspile();
    this.converter = createConverter({});
  }

  /** @throws CompileError when the cell has syntax or type errors. */
  compile(source: string): CompiledCell {
    this.files.lookForChanges();
    let result = this.convert(source);
    if (result.diagnostics.some((problem) => problem.code === cannotFindModule) && this.announceImports(source)) {
      result = this.convert(source);
    }
    if (result.diagnostics.length > 0) throw new CompileError(result.diagnostics);
    return {
      code: result.output ?? "",
      isAsync: this.isAsync,
      resultName: result.lastExpressionVar,
      names: this.names,
      maps: this.maps,
      declarations: result.declOutput ?? "",
    };
  }

  /** Later cells see what this one declared. */
  adopt(cell: CompiledCell): void {
    this.declarations = cell.declarations;
  }

  /** Reads a module and all it imports ahead of the cell that asks for it, and keeps them. */
  preload(path: string): void {
    this.converter.addModule("alignlab_preload", `import ${JSON.stringify(path)};`);
  }

  complete(source: string, position: number): CompletionInfo {
    return this.converter.complete(this.declarations, source, position);
  }

  inspect(source: string, position: number): TypeScript.QuickInfo | undefined {
    return this.converter.inspect(this.declarations, source, position);
  }

  private convert(source: string) {
    this.maps = [];
    this.names = [];
    this.isAsync = false;
    return this.converter.convert(this.declarations, source);
  }

  /** Modules that were missing when TypeScript first looked may have been written since. */
  private announceImports(source: string): boolean {
    const specifiers = [...source.matchAll(/["'](\.{1,2}\/[^"']*|\.{1,2})["']/g)].map((match) => match[1]!);
    const candidates = specifiers.flatMap((specifier) => {
      const path = resolve(this.folder, specifier);
      return [path, `${path}.ts`, `${path}.tsx`, `${path}.d.ts`, `${path}.js`, `${path}.json`, join(path, "index.ts")];
    });
    const present = candidates.filter((path) => ts.sys.fileExists(path));
    this.files.announce(present.flatMap((path) => [dirname(path), path]));
    return present.length > 0;
  }

  private options(given: TypeScript.CompilerOptions): TypeScript.CompilerOptions {
    const { rootDir: _, ...options } = given;
    return {
      ...options,
      strict: true,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2023.d.ts", newerLibrary],
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: ["node"],
      typeRoots: [join(this.root, "node_modules", "@types")],
      inlineSourceMap: true,
    };
  }

  private replaceHost(): void {
    const create = ts.createWatchCompilerHost as (...args: unknown[]) => TypeScript.WatchCompilerHost<TypeScript.BuilderProgram>;
    const replacement = (files: string[], options: TypeScript.CompilerOptions, sys: TypeScript.System, _: unknown, ...rest: unknown[]) => {
      this.files.separateTimers(sys);
      // The builder that tslab takes notes which file imports which, all of them anew at each request: half of a completion's time.
      const host = create(files, this.options(options), sys, ts.createAbstractBuilder, ...rest);
      const createProgram = host.createProgram;
      host.createProgram = (...args) => this.adjust(createProgram(...args));
      return host;
    };
    (ts as { createWatchCompilerHost: unknown }).createWatchCompilerHost = replacement;
  }

  /**
   * Only the cell is checked and emitted: the files that it imports are loaded by Node (modules.ts), and checked by the
   * editor. The cell's output keeps the name that tslab expects wherever the imported files lie.
   */
  private adjust(program: TypeScript.BuilderProgram): TypeScript.BuilderProgram {
    // Binds the files: completion goes up from a name to what it stands in.
    program.getProgram().getTypeChecker();
    const emit: Emit = program.emit.bind(program);
    program.getAllDependencies = (file) => [file.fileName];
    program.emit = (file, write, cancellation, declarationsOnly, transformers) => {
      const before = [expandShorthands(program.getProgram().getTypeChecker()), ...(transformers?.before ?? [])];
      const renamed: typeof write = (name, text, ...more) => write?.(`outDir/${name.slice(name.lastIndexOf("/") + 1)}`, this.takeMap(text), ...more);
      return emit(file, renamed, cancellation, declarationsOnly, { ...transformers, before });
    };
    return program;
  }

  private replaceTranspile(): void {
    const transpile = ts.transpileModule.bind(ts);
    const look: TypeScript.TransformerFactory<TypeScript.SourceFile> = (context) => (file) => {
      this.names = exportedNames(file);
      this.isAsync = awaits(file);
      return checkLoops(context)(file);
    };
    (ts as { transpileModule: typeof transpile }).transpileModule = (source, options) => {
      const compilerOptions = { ...options.compilerOptions, inlineSourceMap: true };
      const result = transpile(source, { ...options, compilerOptions, transformers: { before: [look], after: [plainExports] } });
      return { ...result, outputText: this.takeMap(result.outputText) };
    };
  }

  private takeMap(text: string): string {
    return text.replace(mapComment, (_, base64: string) => {
      this.maps.unshift(Buffer.from(base64, "base64").toString());
      return "";
    });
  }
}
