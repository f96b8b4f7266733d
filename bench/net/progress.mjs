// Shows the progress of a run: one line that is rewritten on a terminal, else one line per case.
import process from 'node:process';

/** @param {number} seconds */
function duration(seconds) {
  return seconds < 90
    ? `${String(Math.ceil(seconds))} s`
    : `${String(Math.round(seconds / 60))} min`;
}

export class Progress {
  #turns;
  #done = 0;
  #begin = performance.now();
  #expected;
  #isTerminal = process.stderr.isTTY === true;

  /** @param {number} turns @param {number} expected Seconds that a turn should take. */
  constructor(turns, expected) {
    this.#turns = turns;
    this.#expected = expected;
    this.say(`${String(turns)} turns, about ${duration(turns * expected)}`);
  }

  /** @param {string} line */
  say(line) {
    this.clear();
    process.stderr.write(`${line}\n`);
  }

  /** @param {string} title */
  beginCase(title) {
    if (!this.#isTerminal)
      this.say(`${title} (${String(Math.floor((100 * this.#done) / this.#turns))} %)`);
  }

  /** @param {string} title */
  turn(title) {
    const left = this.#turns - this.#done;
    // The turns so far predict the rest better than the plan.
    const each =
      this.#done === 0 ? this.#expected : (performance.now() - this.#begin) / 1000 / this.#done;
    this.#done++;
    if (!this.#isTerminal) return;
    const percent = Math.floor((100 * (this.#done - 1)) / this.#turns);
    const line = `${String(percent).padStart(3)} %  ${title}  (${duration(left * each)} left)`;
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear() {
    if (this.#isTerminal) process.stderr.write('\r\x1b[K');
  }
}
