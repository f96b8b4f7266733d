import { fork } from 'node:child_process';
import { once } from 'node:events';

const ANSWER_TIMEOUT_MS = 10_000;

/**
 * A backend's echo servers in a process of their own, so that their CPU time can be told from the
 * clients'.
 */
export class ServerProcess {
  addresses;
  pid;
  #backend;
  #child;

  constructor(backend, child, addresses) {
    this.#backend = backend;
    this.#child = child;
    this.pid = child.pid;
    this.addresses = addresses;
  }

  static async start(backend, name, folder) {
    const child = fork(new URL('./server-main.mjs', import.meta.url), [name, folder], {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    try {
      const ready = await answer(backend, child, 'ready');
      return new ServerProcess(backend, child, ready.addresses);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** CPU time so far, in microseconds. */
  async usage() {
    this.#tell({ type: 'usage' });
    return answer(this.#backend, this.#child, 'usage');
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#tell({ type: 'stop' });
    const graceful = await this.#backend
      .moveOnAfter(2000)
      .run(() => this.#backend.waitFor(ended).then(() => true));
    if (graceful !== true) this.#child.kill('SIGKILL');
  }

  #tell(message) {
    this.#child.send(message);
  }
}

/**
 * The next message, which must be of this type. Rejects if the process fails, ends or keeps silent.
 */
async function answer(backend, child, type) {
  const controller = new AbortController();
  const { signal } = controller;
  try {
    const message = await backend.timeout(ANSWER_TIMEOUT_MS).run(() =>
      backend.waitFor(
        Promise.race([
          once(child, 'message', { signal }).then(([received]) => received),
          once(child, 'exit', { signal }).then(([code]) => ({
            type: 'failed',
            message: `it ended with status ${String(code)}`,
          })),
        ]),
      ),
    );
    if (message.type === 'failed') throw new Error(`a server process failed: ${message.message}`);
    if (message.type !== type)
      throw new Error(`a server process said "${message.type}" instead of "${type}"`);
    return message;
  } finally {
    // Takes the listeners off; the promise of the one that lost has nobody waiting.
    controller.abort();
  }
}
