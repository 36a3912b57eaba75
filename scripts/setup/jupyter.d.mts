/** The part of jupyter.mjs that TypeScript uses. */
export function findNotebook(root: string, name: string | undefined): string;
