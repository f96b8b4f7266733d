import { fork } from 'node:child_process';
import { once } from 'node:events';

const ANSWER_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 2000;

/** @typedef {import('sockscope').AsyncBackend} AsyncBackend */

/** Echo servers in a process of their own, so that their CPU time can be told from the clients'. */
export class ServerProcess {
  /** @type {import('./kinds.mjs').Addresses} */
  addresses;
  #backend;
  #child;

  /**
   * @param {AsyncBackend} backend @param {import('node:child_process').ChildProcess} child
   * @param {'native' | 'node'} name
   */
  constructor(backend, child, name) {
    this.#backend = backend;
    this.#child = child;
    this.name = name;
    this.pid = child.pid;
  }

  /**
   * Starts the servers, and waits until they listen. @param {AsyncBackend} backend
   * @param {'native' | 'node'} name @param {string} folder For their Unix sockets.
   */
  static async start(backend, name, folder) {
    const child = fork(new URL('./server-main.mjs', import.meta.url), [name, folder], {
      // Flags such as --inspect are for the parent alone.
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const server = new ServerProcess(backend, child, name);
    try {
      ({ addresses: server.addresses } = await server.#answer());
      return server;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** CPU time of the process so far, in microseconds. @returns {Promise<NodeJS.CpuUsage>} */
  async usage() {
    this.#child.send('usage');
    return this.#answer();
  }

  /** Ends the process: gracefully, or after 2 s by force. */
  async stop() {
    const { exitCode, signalCode, connected } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (connected) this.#child.send('stop');
    const timeout = this.#backend.moveOnAfter(STOP_TIMEOUT_MS);
    await timeout.run(() => this.#backend.waitFor(ended));
    if (timeout.cancelledCaught()) this.#child.kill('SIGKILL');
  }

  /** The next message. Rejects if the process ends, or says nothing for 10 s. */
  async #answer() {
    const listening = new AbortController();
    const { signal } = listening;
    try {
      const [message] = await this.#backend.timeout(ANSWER_TIMEOUT_MS).run(() =>
        this.#backend.waitFor(
          Promise.race([
            once(this.#child, 'message', { signal }),
            once(this.#child, 'exit', { signal }).then(([code, killer]) => {
              throw new Error(`the ${this.name} servers ended: ${killer ?? `status ${code}`}`);
            }),
          ]),
        ),
      );
      return message;
    } finally {
      // Removes both listeners. The race is over, so their AbortErrors reach nobody.
      listening.abort();
    }
  }
}
