import { closeSync, fstatSync, openSync } from 'node:fs';
import type { AsyncBackend, Bytes } from '../index';
import type { RelayStream } from './relay';

const STDOUT = 1;

/**
 * Standard input and output as one stream. Each may be a terminal, a pipe, a file or a socket.
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
      // A cancelled wait loses the next chunk. The relay has then ended, and would not use it.
      const { value } = await this.#backend.waitFor(this.#chunks.next());
      if (value === undefined) return 0;
      this.#rest = value;
    }
    const size = Math.min(this.#rest.length, buffer.byteLength);
    this.#rest.copy(new Uint8Array(buffer.buffer, buffer.byteOffset, size), 0, 0, size);
    this.#rest = this.#rest.subarray(size);
    return size;
  }

  /** Resolves when the system has the data, because the relay then reuses its buffer. */
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

  /** Ends standard output, so that its reader sees the end. Standard input goes on. */
  async sendEof(): Promise<void> {
    if (process.stdout.isTTY) return;
    await this.#backend.waitFor(new Promise<void>((resolve) => process.stdout.end(resolve)));
    if (fstatSync(STDOUT).isFIFO()) closeStdout();
  }

  async aclose(): Promise<void> {
    process.stdin.destroy();
    return Promise.resolve();
  }
}

/**
 * Closes the fd of standard output. Node.js keeps it open until the process ends, and the reader of
 * a pipe would see no end before. Another file must not get the number, because Node.js would write
 * to that file. So /dev/null gets it.
 */
function closeStdout(): void {
  closeSync(STDOUT);
  // open(2) takes the lowest free number. Standard input's number may be free too.
  while (openSync('/dev/null', 'w') < STDOUT);
}
