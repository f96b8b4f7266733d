import { beforeEach, describe, expect, it } from 'vitest';
import { formatTaskTree } from '#lib/index';
import { AsyncExecutor } from '#lib/threads/async-executor';
import { renew, spendStep } from '#lib/waiting/turn-budget';
import { Socket } from '#lib/socket/socket';
import { newBuiltinBackend } from '#lib/index';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

/** From now on, each checkpoint of this turn yields although it need not wait. */
function spendTheTurn(): void {
  let hasSome = true;
  while (hasSome) hasSome = spendStep();
}

/** Whether the promise settles before the event loop has its next turn. */
async function settlesInThisTurn(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settled = (): void => void (isSettled = true);
  promise.then(settled, settled);
  for (let i = 0; i < 100; i++) await Promise.resolve();
  return isSettled;
}

beforeEach(renew);

describe('a checkpoint that yields although it need not wait', () => {
  it('has taken effect at the call, and settles in the next turn', async () => {
    await backend.bootstrap(async () => {
      const lock = backend.createLock();
      spendTheTurn();
      const acquiring = lock.acquire();
      expect(lock.locked()).toBe(true);
      expect(await settlesInThisTurn(acquiring)).toBe(false);
      const guard = await acquiring;
      guard[Symbol.dispose]();
      expect(lock.locked()).toBe(false);
      expect(await settlesInThisTurn(lock.acquire())).toBe(true);
    });
  });

  it('keeps its result when it is cancelled meanwhile: the next checkpoint rejects', async () => {
    const scope = backend.openCancelScope();
    const lock = backend.createLock();
    await scope.run(async () => {
      spendTheTurn();
      const acquiring = lock.acquire();
      const waiting = backend.waitFor(Promise.resolve('late'));
      await Promise.resolve();
      scope.cancel();
      const guard = await acquiring;
      expect(await waiting).toBe('late');
      expect(await rejection(backend.coroYield())).toBe(scope.signal.reason);
      guard[Symbol.dispose]();
    });
  });

  it('rejects in the next turn if it rejects, in a cancelled scope, too', async () => {
    const failed = backend.createConditionVar();
    spendTheTurn();
    const misused = failed.wait();
    expect(await settlesInThisTurn(misused)).toBe(false);
    expect(await rejection(misused)).toMatchObject({ code: 'ERR_INVALID_STATE' });
    const scope = backend.openCancelScope();
    scope.cancel();
    await scope.run(async () => {
      spendTheTurn();
      const cancelled = backend.sleep(1);
      expect(await settlesInThisTurn(cancelled)).toBe(false);
      expect(await rejection(cancelled)).toBe(scope.signal.reason);
    });
  });

  it('keeps its bootstrap waiting for the code that did not await it, and is in the task tree', async () => {
    const event = backend.createEvent();
    event.set();
    let isDone = false;
    let tree = '';
    await backend.bootstrap(
      () => {
        void (async () => {
          spendTheTurn();
          const waiting = event.wait();
          tree = formatTaskTree();
          await waiting;
          isDone = true;
        })();
      },
      { name: 'root' },
    );
    expect(tree).toContain('task "root"');
    expect(tree).toMatch(/: yield$/m);
    expect(isDone).toBe(true);
  });

  it('goes on before the tasks that yielded in the same turn', async () => {
    const order: string[] = [];
    const event = backend.createEvent();
    await backend.gather(
      () => backend.coroYield().then(() => order.push('yielded')),
      async () => {
        spendTheTurn();
        event.set();
      },
      () => backend.gather(() => event.wait()).then(() => order.push('woken')),
    );
    expect(order).toEqual(['woken', 'yielded']);
  });

  it('yields once a turn, also while another task yields in each turn', async () => {
    const counts: number[] = [];
    const event = backend.createEvent();
    event.set();
    const scope = backend.openCancelScope();
    await backend.gather(
      () =>
        scope.run(async () => {
          for (let count = 0; ; count++) {
            await event.wait();
            counts[0] = count;
          }
        }),
      async () => {
        for (let i = 0; i < 50; i++) {
          await backend.coroYield();
          counts.push(counts[0] ?? 0);
        }
        scope.cancel();
      },
    );
    const steps = counts.slice(2).map((count, index) => count - (counts[index + 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThan(10_000);
  });

  it('wakes the waiters of an event, and the owners of a lock, in the order in which they came', async () => {
    const event = backend.createEvent();
    const woken: number[] = [];
    await backend.createTaskGroup().run(async (group) => {
      for (let i = 0; i < 10_000; i++)
        group.startSoon(() => event.wait().then(() => void woken.push(i)));
      await backend.coroYield();
      event.set();
    });
    expect(woken).toEqual(woken.map((_, index) => index));
    expect(woken).toHaveLength(10_000);
  });
});

describe('a call that rejects at once', () => {
  const closed = Socket.pair();
  for (const socket of closed) socket.close();
  const executor = new AsyncExecutor(newBuiltinBackend('node'));
  const calls: [string, () => Promise<unknown>][] = [
    ['readable of a closed Socket', () => closed[0].readable()],
    ['writable of a closed Socket', () => closed[0].writable()],
    ['run of an executor that was shut down', () => executor.run({ module: 'node:path' })],
  ];
  it.each(calls)('yields when the budget is spent: %s', async (_name, call) => {
    await executor.shutdown();
    expect(await settlesInThisTurn(call())).toBe(true);
    spendTheTurn();
    expect(await settlesInThisTurn(call())).toBe(false);
  });
});
