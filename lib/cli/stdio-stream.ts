import { closeSync, fstatSync, openSync } from 'node:fs';
import type { AsyncBackend, Bytes } from '../index';
import type { RelayStream } from './relay';

const STDOUT = 1;

/**
 * Standard input and output as one stream: whatever they are, terminals, pipes, files or sockets.
 */
export class StdioStream implements RelayStream {
  readonly #backend: AsyncBackend;
  #rest: Buffer = Buffer.alloc(0);
  #chunks: AsyncIterator<Buffer, undefined> | undefined;

  constructor(backend: AsyncBackend) {
    this.#backend = backend;
  }

  async recvInto(buffer: Bytes): Promise<number> {
    if (this.#rest.length === 0) {
      this.#chunks ??= process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
      // A cancelled wait drops what comes later: the relay ends then, and nobody would read it.
      const { value } = await this.#backend.waitFor(this.#chunks.next());
      if (value === undefined) return 0;
      this.#rest = value;
    }
    const size = Math.min(this.#rest.length, buffer.byteLength);
    this.#rest.copy(new Uint8Array(buffer.buffer, buffer.byteOffset, size), 0, 0, size);
    this.#rest = this.#rest.subarray(size);
    return size;
  }

  /** Until the system has taken it: the relay's memory is used again. */
  async sendAll(data: Bytes): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await this.#backend.waitFor(
      new Promise<void>((resolve, reject) => {
        process.stdout.write(bytes, (error) => {
          if (error) reject(error);
          else resolve();
        });
      }),
    );
  }

  /** The reader of standard output sees its end, while standard input goes on. */
  async sendEof(): Promise<void> {
    if (process.stdout.isTTY) return;
    await this.#backend.waitFor(new Promise<void>((resolve) => process.stdout.end(resolve)));
    if (fstatSync(STDOUT).isFIFO()) letGoOfStdout();
  }

  async aclose(): Promise<void> {
    process.stdin.destroy();
    return Promise.resolve();
  }
}

/**
 * Node keeps the fd of standard output open to its own end, so the reader of a pipe would not see
 * it before. The number must not go to another file, which Node would then write to: /dev/null gets
 * it.
 */
function letGoOfStdout(): void {
  closeSync(STDOUT);
  // The lowest free number is given out; standard input's may be free as well.
  while (openSync('/dev/null', 'w') < STDOUT);
}
