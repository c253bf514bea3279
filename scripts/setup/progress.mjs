const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Says what is being done while it is: a spinner with the seconds on a terminal, one line at the beginning and one at the
 * end elsewhere, so that a CI log shows where the time went.
 *
 * @template T
 * @param {string} text
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(text, work) {
  const out = process.stderr;
  const begun = Date.now();
  const seconds = () => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
  if (!out.isTTY) {
    out.write(`${text} …\n`);
    const result = await work();
    out.write(`${text}: done in ${seconds()}\n`);
    return result;
  }
  let frame = 0;
  const draw = () => {
    out.write(`\r\x1b[K${frames[frame++ % frames.length]} ${text} … ${seconds()}`);
  };
  draw();
  const timer = setInterval(draw, 100);
  try {
    const result = await work();
    out.write(`\r\x1b[K✔ ${text} (${seconds()})\n`);
    return result;
  } catch (error) {
    out.write(`\r\x1b[K✘ ${text} (${seconds()})\n`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}
