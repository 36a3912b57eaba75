import type * as TypeScript from "@tslab/typescript-for-tslab";
import { typescript as ts } from "./tslab";

type Node = TypeScript.Node;

/** The function that each turn of an awaiting loop calls, a parameter of the compiled cell. */
export const loopTurn = "__alignlab_turn";

function isFunctionLike(node: Node): boolean {
  return ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node);
}

function isAwait(node: Node): boolean {
  return ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined);
}

/** Whether the node waits for something itself, functions inside it left out. */
export function awaits(node: Node): boolean {
  if (isAwait(node)) return true;
  return ts.forEachChild(node, (child) => !isFunctionLike(child) && awaits(child)) === true;
}

/**
 * Puts a call of `loopTurn` at the start of each loop that awaits, so that Stop reaches loops that never look at their
 * signal. Loops that do not await are left as fast as they are: Stop reaches those by ending the thread's work.
 */
export function checkLoops(context: TypeScript.TransformationContext): TypeScript.Transformer<TypeScript.SourceFile> {
  const { factory } = context;
  const turn = () =>
    factory.createExpressionStatement(factory.createCallExpression(factory.createIdentifier(loopTurn), undefined, []));
  const withTurn = (body: TypeScript.Statement) =>
    factory.createBlock([turn(), ...(ts.isBlock(body) ? body.statements : [body])], true);

  function visit(node: Node): Node {
    const inner = ts.visitEachChild(node, visit, context);
    if (!ts.isIterationStatement(node, false) || !awaits(node)) return inner;
    if (ts.isForStatement(inner)) {
      return factory.updateForStatement(inner, inner.initializer, inner.condition, inner.incrementor, withTurn(inner.statement));
    }
    if (ts.isForOfStatement(inner)) {
      return factory.updateForOfStatement(inner, inner.awaitModifier, inner.initializer, inner.expression, withTurn(inner.statement));
    }
    if (ts.isForInStatement(inner)) {
      return factory.updateForInStatement(inner, inner.initializer, inner.expression, withTurn(inner.statement));
    }
    if (ts.isWhileStatement(inner)) return factory.updateWhileStatement(inner, inner.expression, withTurn(inner.statement));
    if (ts.isDoStatement(inner)) return factory.updateDoStatement(inner, withTurn(inner.statement), inner.expression);
    return inner;
  }
  return (file) => ts.visitEachChild(file, visit, context);
}

/** `Object.defineProperty(exports, "name", { …, get: function () { return value } })`, as TypeScript exports an import. */
function exportedImport(node: Node): { name: string; value: TypeScript.Expression | undefined } | undefined {
  if (!ts.isExpressionStatement(node) || !ts.isCallExpression(node.expression)) return undefined;
  const [target, name, descriptor] = node.expression.arguments;
  if (!target || !ts.isIdentifier(target) || target.text !== "exports" || !name || !ts.isStringLiteral(name)) return undefined;
  if (!descriptor || !ts.isObjectLiteralExpression(descriptor)) return undefined;
  const getter = descriptor.properties.find((property) => ts.isPropertyAssignment(property) && ts.isFunctionExpression(property.initializer));
  const body = getter && ((getter as TypeScript.PropertyAssignment).initializer as TypeScript.FunctionExpression).body.statements[0];
  return { name: name.text, value: body && ts.isReturnStatement(body) ? body.expression : undefined };
}

/**
 * Exports imported names as plain values: a getter could not be defined again when the cell runs again. (tslab lets a
 * Proxy do that, which makes each use of a variable fifty times slower.)
 */
export function plainExports({ factory }: TypeScript.TransformationContext): TypeScript.Transformer<TypeScript.SourceFile> {
  const exported = (name: string) => factory.createPropertyAccessExpression(factory.createIdentifier("exports"), name);
  return (file) => {
    const statements = file.statements.flatMap((statement): TypeScript.Statement[] => {
      const found = exportedImport(statement);
      if (!found) return [statement];
      return found.value ? [factory.createExpressionStatement(factory.createAssignment(exported(found.name), found.value))] : [];
    });
    return factory.updateSourceFile(file, statements);
  };
}

/** The names that a compiled cell leaves to later cells: `export { a, b }` as tslab writes it. */
export function exportedNames(file: TypeScript.SourceFile): string[] {
  return file.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map((element) => element.name.text)
      : [],
  );
}
