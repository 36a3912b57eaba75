import type * as TypeScript from "@tslab/typescript-for-tslab";
import { typescript as ts } from "./tslab";

/** Where tslab keeps the declarations of earlier cells. */
const earlierCells = "/__prev__.d.ts";

/**
 * Writes `{ name }` as `{ name: exports.name }` where an earlier cell declared the name: tslab does so for names that
 * stand by themselves, but passes over those in the short form of an object's property.
 */
export function expandShorthands(checker: TypeScript.TypeChecker): TypeScript.TransformerFactory<TypeScript.SourceFile> {
  const isEarlier = (node: TypeScript.ShorthandPropertyAssignment): boolean => {
    const declarations = checker.getShorthandAssignmentValueSymbol(node)?.declarations ?? [];
    return declarations.some((declaration) => declaration.getSourceFile().fileName.endsWith(earlierCells));
  };
  return (context) => {
    const { factory } = context;
    const visit = (node: TypeScript.Node): TypeScript.Node => {
      if (!ts.isShorthandPropertyAssignment(node) || !isEarlier(node)) return ts.visitEachChild(node, visit, context);
      const value = factory.createPropertyAccessExpression(factory.createIdentifier("exports"), node.name.text);
      const fallback = node.objectAssignmentInitializer;
      return factory.createPropertyAssignment(node.name, fallback ? factory.createAssignment(value, ts.visitNode(fallback, visit) as TypeScript.Expression) : value);
    };
    return (source) => ts.visitEachChild(source, visit, context);
  };
}
