/** Something the person at the keyboard has to change: one sentence, exit code 2. */
export class Complaint extends Error {}

/**
 * Runs a script's main function: a complaint becomes its sentence and exit code 2, anything else a short message and 1.
 *
 * @param {() => Promise<number>} main returns the exit code.
 */
export async function runScript(main) {
  const major = Number(process.versions.node.split('.')[0]);
  try {
    if (major < 20)
      throw new Complaint(
        `Node ${process.versions.node} is too old to begin with: install Node 20 or newer.`,
      );
    process.exitCode = await main();
  } catch (error) {
    const complaint = error instanceof Complaint;
    process.stderr.write(
      `${complaint || process.env.DDE_DEBUG === undefined ? error.message : error.stack}\n`,
    );
    process.exitCode = complaint ? 2 : 1;
  }
}
