// A process that answers questions, one at a time: so that several can take turns.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';

/** No answer takes longer, however busy the machine. */
const PATIENCE = 300_000;

/** The side that asks. */
export class Child {
  /**
   * @param {string} file A program that calls `answerRequests`.
   * @param {{ node?: string, args?: string[], execArgv?: string[], name?: string }} [options]
   */
  constructor(file, { node = process.execPath, args = [], execArgv = [], name = '' } = {}) {
    this.name = name === '' ? path.basename(file) : name;
    this.process = fork(file, args, { execPath: node, execArgv });
  }

  /**
   * @param {{ what: string, [detail: string]: unknown }} request
   * @returns {Promise<any>}
   */
  async ask(request) {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), PATIENCE);
    const { signal } = over;
    try {
      this.process.send(request);
      const [message] = await Promise.race([
        once(this.process, 'message', { signal }),
        once(this.process, 'exit', { signal }).then(([status]) => {
          throw new Error(`${this.name} ended with ${String(status)}`);
        }),
      ]);
      if (message.error !== undefined) throw new Error(message.error);
      return message.answer;
    } catch (error) {
      if (signal.aborted)
        throw new Error(`${this.name} has not answered ${JSON.stringify(request)}`, {
          cause: error,
        });
      throw error;
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }

  kill() {
    this.process.kill();
  }
}

/**
 * The side that answers. The process ends with the one that asks.
 * @param {Record<string, (request: any) => unknown>} answers By what a request asks for.
 */
export function answerRequests(answers) {
  process.on('message', (/** @type {{ what: string }} */ request) => {
    void (async () => {
      try {
        process.send?.({ answer: await answers[request.what](request) });
      } catch (error) {
        process.send?.({ error: String(/** @type {Error} */ (error).stack ?? error) });
      }
    })();
  });
}
