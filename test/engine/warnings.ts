/** What is said by console.warn while `work` runs. */
export function warnings(work: () => void): string[] {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => said.push(words.join(" "));
  try {
    work();
  } finally {
    console.warn = warn;
  }
  return said;
}
