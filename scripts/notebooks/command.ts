/** Runs a command with the arguments it was given: of an error its message, and this exit code. */
export function runCommand(main: (args: string[]) => void, exitCode: number): void {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = exitCode;
  }
}
