import { once } from 'node:events';
import workerThreads, { type MessagePort, Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type AsyncBackend,
  connectThreadsPortal,
  newBuiltinBackend,
  type PortalConnection,
  type PortalHandle,
} from '#lib/index';
import { expectNoLeaks } from '../../support/fds';

expectNoLeaks();

const backend: AsyncBackend = newBuiltinBackend('node');

interface Functions extends Record<string, (...args: never[]) => unknown> {
  add: (a: number, b: number) => number;
  wait: () => Promise<string>;
  hostile: () => unknown;
}

/** What a user of the port may post or emit. */
const strays: readonly unknown[] = [
  null,
  undefined,
  7,
  'text',
  [],
  {},
  { type: 'call' },
  { type: 'call', id: '1', name: 'add', mode: 'sync', args: [] },
  { type: 'call', id: 1, name: {}, mode: 'sync', args: [] },
  { type: 'call', id: 1, name: 'add', mode: 'other', args: [] },
  { type: 'call', id: 1, name: 'add', mode: 'coroutine', args: 5 },
  { type: 'cancel' },
  { type: 'cancel', id: 99 },
  { type: 'unread', ids: 5 },
  { type: 'unread', ids: [null] },
  { id: 1 },
  { id: '1', status: 'returned' },
  { id: 1, status: 'other' },
  { id: 77, status: 'returned', value: 1 },
];

/** The process warnings of this library that came meanwhile. */
function warnings(): unknown[] {
  return vi.mocked(process.emitWarning).mock.calls.map(([, options]) => options);
}

const code = expect.objectContaining({ code: 'SOCKSCOPE_PORTAL' }) as unknown;

afterEach(() => {
  vi.restoreAllMocks();
  unreadable.clear();
});

type Message = { readonly args?: readonly unknown[]; readonly value?: unknown };

/** The messages that a port cannot read. */
const unreadable = new Map<MessagePort, (message: Message) => boolean>();

/** Makes a port report the messages in `unreadable` as Node.js does, by 'messageerror'. */
function intercept(port: MessagePort): void {
  const on = port.on.bind(port) as (event: string, listener: (value: never) => void) => MessagePort;
  port.on = ((event: string, listener: (value: unknown) => void) =>
    on(event, (value: Message) => {
      if (event === 'message' && unreadable.get(port)?.(value) === true)
        port.emit('messageerror', new Error('cannot be read'));
      else listener(value);
    })) as typeof port.on;
}

/**
 * A portal with a connection of the same thread, which cannot block. `ports` are those of the
 * portal and of the connection.
 */
async function withPortal(
  body: (
    connection: PortalConnection<Functions>,
    ports: { readonly portal: MessagePort; readonly caller: MessagePort },
  ) => Promise<void>,
): Promise<void> {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const waiting = backend.createEvent();
  await backend.bootstrap(async () => {
    const portal = backend.createThreadsPortal({
      add: (a: number, b: number) => a + b,
      wait: async () => {
        await waiting.wait();
        return 'waited';
      },
      hostile: () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw proxy;
      },
    });
    await portal.run(async () => {
      const { MessageChannel } = workerThreads;
      const channel = new MessageChannel();
      const made = vi.spyOn(workerThreads, 'MessageChannel').mockImplementation(function () {
        intercept(channel.port1);
        intercept(channel.port2);
        return channel;
      });
      const handle = portal.handle() as PortalHandle & { threadId: number };
      made.mockRestore();
      const elsewhere = { ...handle, threadId: handle.threadId + 1 };
      const connection = connectThreadsPortal<Functions>(elsewhere);
      await body(connection, { portal: channel.port1, caller: handle.port });
      waiting.set();
    });
  });
}

describe('the port of a portal', () => {
  it('ignores messages of others on the side of the portal, with one warning', async () => {
    await withPortal(async ({ runSyncSoon }, { caller }) => {
      for (const stray of strays) caller.postMessage(stray);
      expect(await runSyncSoon('add', 1, 2)).toBe(3);
      expect(warnings()).toEqual([code]);
    });
  });

  it('ignores messages of others on the side of the caller, with one warning', async () => {
    await withPortal(async ({ runCoroutineSoon, runSyncSoon }, { portal }) => {
      const call = runCoroutineSoon('wait');
      for (const stray of strays) portal.postMessage(stray);
      expect(await runSyncSoon('add', 1, 2)).toBe(3);
      call.cancel();
      await expect(call).rejects.toMatchObject({ code: 'ABORT_ERR' });
      expect(warnings()).toEqual([code]);
    });
  });

  it('rejects a call whose reply holds no error that this library made', async () => {
    await withPortal(async ({ runCoroutineSoon }, { portal }) => {
      const call = runCoroutineSoon('wait');
      portal.postMessage({ id: 1, status: 'thrown', thrown: null });
      await expect(call).rejects.toThrow();
    });
  });

  it('takes the id of a pending call for a stray', async () => {
    await withPortal(async ({ runCoroutineSoon, runSyncSoon }, { caller }) => {
      const call = runCoroutineSoon('wait');
      caller.postMessage({ type: 'call', id: 1, name: 'add', mode: 'sync', args: [5, 5] });
      expect(await runSyncSoon('add', 1, 2)).toBe(3);
      expect(warnings()).toEqual([code]);
      call.cancel();
      await expect(call).rejects.toMatchObject({ code: 'ABORT_ERR' });
    });
  });

  it.each(['portal', 'caller'] as const)(
    'rejects the call whose message cannot be read by the %s, and no other',
    async (side) => {
      await withPortal(async ({ runCoroutineSoon, runSyncSoon }, ports) => {
        const pending = runCoroutineSoon('wait');
        unreadable.set(ports[side], (message) => message.args?.[0] === 66 || message.value === 68);
        const lost = runSyncSoon('add', 66, 2);
        const other = runSyncSoon('add', 1, 2);
        await expect(lost).rejects.toMatchObject({ name: 'DataCloneError' });
        expect(await other).toBe(3);
        pending.cancel();
        await expect(pending).rejects.toMatchObject({ code: 'ABORT_ERR' });
        expect(warnings()).toEqual([]);
      });
    },
  );

  it('lets a function throw anything without an end of the portal', async () => {
    await withPortal(async ({ runCoroutineSoon, runSyncSoon }) => {
      await expect(runCoroutineSoon('hostile')).rejects.toContain('Revoked Proxy');
      await expect(runSyncSoon('hostile')).rejects.toContain('Revoked Proxy');
      expect(await runSyncSoon('add', 1, 2)).toBe(3);
    });
  });

  it('gives DataCloneError for arguments that cannot be cloned, and the error of a getter', async () => {
    await withPortal(async ({ runSyncSoon }) => {
      const call = (value: unknown): Promise<unknown> => runSyncSoon('add', value as number, 1);
      await expect(call(() => 1)).rejects.toMatchObject({ name: 'DataCloneError' });
      const hostile = {
        get value(): never {
          throw new RangeError('getter');
        },
      };
      await expect(call(hostile)).rejects.toThrow(new RangeError('getter'));
      // A getter that calls into the portal while its own call is being posted.
      const calls: Promise<unknown>[] = [];
      const nested = {
        get value() {
          calls.push(runSyncSoon('add', 1, 1));
          return 2;
        },
      };
      calls.push(call(nested));
      expect(await Promise.all(calls)).toEqual([2, '[object Object]1']);
    });
  });
});

describe('connectThreadsPortal', () => {
  it('refuses a handle that is connected already, and one of another version', async () => {
    const portal = backend.createThreadsPortal({});
    const handle = portal.handle() as PortalHandle & { threadId: number };
    const elsewhere = { ...handle, threadId: handle.threadId + 1 };
    expect(() => connectThreadsPortal({ ...elsewhere, protocol: 1 } as PortalHandle)).toThrow(
      /another version/,
    );
    connectThreadsPortal(elsewhere);
    expect(() => connectThreadsPortal(elsewhere)).toThrow(/connected already/);
    handle.port.close();
    await once(handle.port, 'close');
  });

  it('gives a blocked caller the DataCloneError of a reply that it cannot read', async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      const { newBuiltinBackend } = require(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).pathname)});
      const backend = newBuiltinBackend('node');
      const portal = backend.createThreadsPortal({ add: (a, b) => a + b });
      portal.run(async () => {
        const handle = portal.handle();
        parentPort.postMessage(handle, [handle.port]);
        await backend.sleepForever();
      });
    `;
    const worker = new Worker(source, { eval: true });
    const [handle] = (await once(worker, 'message')) as [PortalHandle];
    const connection = connectThreadsPortal<Functions>(handle);
    const { receiveMessageOnPort } = workerThreads;
    let isLost = false;
    vi.spyOn(workerThreads, 'receiveMessageOnPort').mockImplementation((port) => {
      const next = receiveMessageOnPort(port);
      if (next === undefined || isLost) return next;
      isLost = true;
      throw new Error('cannot be read');
    });
    expect(() => connection.runSync('add', 1, 2)).toThrow(
      expect.objectContaining({ name: 'DataCloneError' }) as Error,
    );
    expect(connection.runSync('add', 1, 2)).toBe(3);
    await worker.terminate();
  });
});
