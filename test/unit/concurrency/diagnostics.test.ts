import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import { virtualBackend } from './fixture';

const backend = virtualBackend();
const names = [
  'sockscope:task:start',
  'sockscope:task:end',
  'sockscope:scope:cancel',
  'sockscope:scope:timeout',
] as const;

const messages: [string, Record<string, unknown>][] = [];
const listener = (message: unknown, name: string | symbol): void =>
  void messages.push([String(name), message as Record<string, unknown>]);

function listen(): void {
  for (const name of names) subscribe(name, listener);
}

afterEach(() => {
  for (const name of names) unsubscribe(name, listener);
  messages.length = 0;
});

const on = (name: (typeof names)[number]): Record<string, unknown>[] =>
  messages.filter(([channel]) => channel === name).map(([, message]) => message);

describe('diagnostics channels', () => {
  it('announce the start and the end of tasks', async () => {
    listen();
    const error = new Error('boom');
    const infos: unknown[] = [];
    await backend
      .bootstrap(
        async () => {
          infos.push(backend.getCurrentTask());
          await backend.createTaskGroup().run(async (group) => {
            const task = await group.start(() => backend.sleepForever(), { name: 'cancelled' });
            infos.push(task.info);
            task.cancel();
            await task.wait();
            group.startSoon(() => Promise.reject(error), { name: 'failed' });
          });
        },
        { name: 'main' },
      )
      .catch(() => undefined);
    expect(on('sockscope:task:start')).toMatchObject([
      { task: infos[0], parent: undefined },
      { task: infos[1], parent: infos[0] },
      { task: { name: 'failed' }, parent: infos[0] },
    ]);
    expect(on('sockscope:task:end')).toMatchObject([
      { task: infos[1], outcome: 'cancelled', error: { name: 'CancelledError' } },
      { task: { name: 'failed' }, outcome: 'failed', error },
      { task: infos[0], outcome: 'failed', error: { errors: [error] } },
    ]);
  });

  it('report no error for a task that completed', async () => {
    listen();
    await backend.bootstrap(() => 5);
    expect(on('sockscope:task:end')).toEqual([
      { task: expect.anything() as unknown, outcome: 'completed' },
    ]);
  });

  it('announce cancellations and timeouts', async () => {
    listen();
    const deadline = backend.currentTime() + 5;
    const scope = backend.moveOnAt(deadline);
    await backend.bootstrap(() => scope.run(() => backend.sleepForever()), { name: 'main' });
    const other = backend.openCancelScope();
    other.cancel();
    expect(on('sockscope:scope:timeout')).toMatchObject([
      { scope, task: { name: 'main' }, deadline },
    ]);
    expect(on('sockscope:scope:cancel')).toMatchObject([
      { scope, task: { name: 'main' }, reason: scope.signal.reason as unknown },
      { scope: other, task: undefined, reason: other.signal.reason as unknown },
    ]);
  });
});
