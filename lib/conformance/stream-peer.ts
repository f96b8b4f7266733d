import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  connect,
  createServer,
  type ListenOptions,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net';
import type { Scenario } from './scenario';

/**
 * The other end of a stream: a net.Socket, which no code of the backend under test touches. It
 * reads only while it is asked to. Nothing in it is a checkpoint.
 */
export class StreamPeer {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #length = 0;
  #hasEnded = false;
  /** Why the connection ended; null if it was closed without an error. */
  error: Error | null = null;
  #isClosed = false;
  #onChange = (): void => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.pause();
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#onChange();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#onChange();
    });
    socket.on('error', (error) => (this.error = error));
    socket.on('close', () => {
      this.#isClosed = true;
      this.#onChange();
    });
  }

  /** Reads until `count` bytes have arrived, and takes them. */
  async take(count: number): Promise<Buffer> {
    await this.#readUntil(() => this.#length >= count, `${String(count)} bytes`);
    return this.#cut(count);
  }

  /** Reads to the end of the stream, or to a reset, and takes what was not taken before. */
  async takeAll(): Promise<Buffer> {
    await this.#readUntil(() => this.#hasEnded || this.#isClosed, 'the end of the stream');
    return this.#cut(this.#length);
  }

  /** Resolves when Node has handed all of `data` to the kernel. */
  write(data: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(data, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Half-closes. */
  end(): void {
    this.socket.end();
  }

  /** Resets a TCP connection, closes a Unix one. */
  reset(): void {
    if (this.socket.remoteAddress === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  #cut(count: number): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#length -= count;
    return all.subarray(0, count);
  }

  async #readUntil(condition: () => boolean, what: string): Promise<void> {
    this.socket.resume();
    while (!condition()) {
      if (this.#isClosed)
        assert.fail(
          `the connection was closed while the peer waited for ${what} (${String(this.error)})`,
        );
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    this.socket.pause();
  }
}

/** Listens with node:net; its connections come out of `next`, in their order. No checkpoint. */
export async function rawServer(
  scenario: Scenario,
  options: ListenOptions,
): Promise<{ server: Server; next: () => Promise<StreamPeer> }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const peers: StreamPeer[] = [];
  const waiting: ((peer: StreamPeer) => void)[] = [];
  server.on('connection', (socket) => {
    const peer = new StreamPeer(socket);
    scenario.atEnd(() => socket.destroy());
    const waiter = waiting.shift();
    if (waiter === undefined) peers.push(peer);
    else waiter(peer);
  });
  scenario.atEnd(() => server.close());
  server.listen(options);
  await once(server, 'listening');
  return {
    server,
    next: () => {
      const peer = peers.shift();
      return peer === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(peer);
    },
  };
}

/** Connects with node:net. No checkpoint. */
export async function rawConnect(scenario: Scenario, options: NetConnectOpts): Promise<StreamPeer> {
  const socket = connect({ ...options, allowHalfOpen: true });
  scenario.atEnd(() => socket.destroy());
  const peer = new StreamPeer(socket);
  await once(socket, 'connect');
  return peer;
}

/** The port that a server of node:net listens on. */
export function portOf(server: Server): number {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
