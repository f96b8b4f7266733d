import { describe, expect, it } from 'vitest';
import {
  acloseForcefully,
  AsyncExecutor,
  CancelledError,
  ensureBackend,
  isAsyncBackend,
  newBuiltinBackend,
  SocketAttribute,
  StapledStreamTransport,
  TimeoutError,
} from '#lib/index';
import { threadFunction } from '#lib/conformance/thread-functions';
import { newPlainBackend, newPlainStream } from '../../types/plain-backend';
import { rejection } from '../concurrency/fixture';

const backend = newPlainBackend();
const text = (data: Uint8Array): string => Buffer.from(data).toString();

describe('a backend of plain objects', () => {
  it('counts as a backend', () => {
    expect(isAsyncBackend(backend)).toBe(true);
    expect(ensureBackend(backend)).toBe(backend);
    expect(isAsyncBackend({ ...backend, bootstrap: 1 })).toBe(false);
  });

  it('has its transports closed by acloseForcefully, in its own cancelled scope', async () => {
    await backend.bootstrap(async () => {
      const stream = newPlainStream(backend);
      await acloseForcefully(stream);
      expect(stream.isClosing()).toBe(true);
      let error: unknown;
      await acloseForcefully({
        backend: () => backend,
        aclose: async () => {
          error = await rejection(backend.sleepForever());
          throw error;
        },
      });
      expect(error).toBeInstanceOf(CancelledError);
    });
  });

  it('has its transports stapled', async () => {
    await backend.bootstrap(async () => {
      const [out, back] = [newPlainStream(backend), newPlainStream(backend)];
      const stapled = new StapledStreamTransport(out, back);
      expect(stapled.backend()).toBe(backend);
      await stapled.sendAllFromIterable([Buffer.from('ab'), Buffer.from('c')]);
      await stapled.sendEof();
      expect([text(await out.recv(9)), text(await out.recv(9))]).toEqual(['ab', 'c']);
      expect((await out.recv(9)).length).toBe(0);
      const late = backend.timeout(20).run(() => stapled.recv(1));
      expect(await rejection(late)).toBeInstanceOf(TimeoutError);
      await back.sendAll(Buffer.from('xyz'));
      const buffer = Buffer.alloc(2);
      expect(await stapled.recvIntoMany([buffer])).toBe(2);
      expect([buffer.toString(), text(await stapled.recv(5))]).toEqual(['xy', 'z']);
      await stapled.aclose();
      expect([out.isClosing(), back.isClosing()]).toEqual([true, true]);
    });
  });

  it('serves as the backend of an AsyncExecutor', async () => {
    await backend.bootstrap(async () => {
      await using executor = new AsyncExecutor(backend, { maxThreads: 1 });
      expect(executor.backend()).toBe(backend);
      expect(await executor.run(threadFunction('add'), [1, 2])).toBe(3);
      const sums: unknown[] = [];
      for await (const place of executor.map(threadFunction('where'), [1, 2])) sums.push(place);
      expect(sums).toHaveLength(2);
    });
  });

  it('gives its group to a listener of this library', async () => {
    const real = newBuiltinBackend('node');
    const [listener] = await real.createTcpListeners('127.0.0.1', 0);
    const group = backend.createTaskGroup();
    const received = backend.createEvent();
    await group.run(async () => {
      void listener
        ?.serve(async (connection) => {
          expect(text(await connection.recv(5))).toBe('hello');
          await connection.aclose();
          received.set();
        }, group)
        .catch(() => undefined);
      const { port } = listener?.extra(SocketAttribute.localAddress) as { port: number };
      const client = await real.createTcpConnection('127.0.0.1', port);
      await client.sendAll(Buffer.from('hello'));
      await received.wait();
      await client.aclose();
      await listener?.aclose();
    });
    expect(received.isSet()).toBe(true);
  });
});
