const CLEAR_LINE = process.stdout.isTTY ? '\r\x1b[K' : '';

/** @param {string} line */
export function say(line) {
  process.stdout.write(`${CLEAR_LINE}${line}\n`);
}

/** What is under way. On a terminal only, where the next line replaces it. @param {string} line */
export function progress(line) {
  if (process.stdout.isTTY) process.stdout.write(`${CLEAR_LINE}${line}`);
}
