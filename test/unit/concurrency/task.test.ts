import type { Awaitable, Task } from '#lib/contract/tasks';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CancelledError, InvalidStateError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();
const forever = (): Promise<never> => backend.sleepForever();

/** Runs `use` beside a task. A failure of the task does not fail the test. */
async function withTask<R>(
  fn: () => Awaitable<R>,
  use: (task: Task<R>) => Awaitable<void>,
): Promise<void> {
  let outcome: unknown;
  await backend
    .bootstrap(() =>
      backend.createTaskGroup().run(async (group) => {
        const task = await group.start(fn);
        try {
          await backend.ignoreCancellation(() => use(task));
        } catch (error) {
          outcome = error;
        }
        group.cancelScope.cancel();
      }),
    )
    .catch((error: unknown) => {
      expect(error).toBeInstanceOf(AggregateError);
    });
  if (outcome !== undefined) throw outcome as Error;
}

const swallowing = (value: number) => (): Promise<number> =>
  backend.sleepForever().catch(() => value);
const failing = (error: Error) => (): Promise<never> => Promise.reject(error);

describe('Task', () => {
  it('is done after a result, an error and a cancellation', async () => {
    await withTask(
      () => backend.sleep(5),
      async (task) => {
        expect(task.done()).toBe(false);
        await task.wait();
        expect([task.done(), task.cancelled()]).toEqual([true, false]);
      },
    );
    await withTask(failing(new Error('boom')), async (task) => {
      await task.wait();
      expect([task.done(), task.cancelled()]).toEqual([true, false]);
    });
    await withTask(forever, async (task) => {
      task.cancel();
      expect([task.done(), task.cancelled()]).toEqual([false, false]);
      await task.wait();
      expect([task.done(), task.cancelled()]).toEqual([true, true]);
    });
  });

  it('is cancelled at its current or next checkpoint, without its siblings and group', async () => {
    const result = await backend.createTaskGroup().run(async (group) => {
      const waiting = await group.start(forever);
      const busy = await group.start(async () => {
        await Promise.resolve();
        await backend.sleep(0);
      });
      group.startSoon(() => backend.sleep(10));
      expect([waiting.cancel(), busy.cancel()]).toEqual([true, true]);
      await backend.sleep(20);
      expect([waiting.cancelled(), busy.cancelled()]).toEqual([true, true]);
      return 'undisturbed';
    });
    expect(result).toBe('undisturbed');
  });

  it('returns false from cancel() once it has ended', async () => {
    await withTask(swallowing(1), async (task) => {
      expect(task.cancel()).toBe(true);
      expect(task.cancel()).toBe(true);
      await task.wait();
      expect(task.cancel()).toBe(false);
      expect(task.cancelled()).toBe(false);
    });
  });

  it('can cancel itself', async () => {
    await backend.createTaskGroup().run(async (group) => {
      const tasks: Task<number>[] = [];
      tasks.push(
        await group.start(async () => {
          await backend.sleep(1);
          tasks[0]?.cancel();
          await backend.sleep(1);
          return 1;
        }),
      );
      await tasks[0]?.wait();
      expect(tasks[0]?.cancelled()).toBe(true);
    });
  });

  it('stays cancelled behind shields and scopes, until a checkpoint feels it', async () => {
    const log: string[] = [];
    await withTask(
      async () => {
        await backend.moveOnAfter(1e6).run(() =>
          backend.openCancelScope().run(async () => {
            await backend.ignoreCancellation(() => backend.sleep(10));
            log.push('shielded');
          }),
        );
        log.push('left');
        await backend.coroYield();
        log.push('not reached');
      },
      async (task) => {
        task.cancel();
        await task.wait();
        expect(task.cancelled()).toBe(true);
      },
    );
    expect(log).toEqual(['shielded', 'left']);
  });

  it('shows its name and state', async () => {
    await withTask(forever, (task) => {
      expect(inspect(task)).toMatch(/^Task \{ id: \d+, name: 'forever', state: 'running' \}$/);
    });
  });
});

describe('Task.wait', () => {
  it('never rejects with the error of the task, and is a checkpoint even if the task is done', async () => {
    await withTask(failing(new Error('boom')), async (task) => {
      await task.wait();
      await task.wait();
      const scope = backend.timeout(0);
      expect(await rejection(scope.run(() => task.wait()))).toMatchObject({ code: 'ETIMEDOUT' });
    });
  });

  it('does not cancel the task when the waiter is cancelled', async () => {
    await withTask(
      () => backend.sleep(20).then(() => 42),
      async (task) => {
        expect(await backend.moveOnAfter(5).run(() => task.wait())).toBe(undefined);
        expect(await backend.moveOnAfter(5).run(() => task.join())).toBe(undefined);
        expect(await task.join()).toBe(42);
      },
    );
  });
});

describe('Task.join', () => {
  it('resolves every call to the value, no matter how many there are', async () => {
    await withTask(
      () => backend.sleep(5).then(() => 42),
      async (task) => {
        expect(await Promise.all([task.join(), task.join(), task.joinOrCancel()])).toEqual([
          42, 42, 42,
        ]);
        expect([await task.join(), await task.joinOrCancel()]).toEqual([42, 42]);
      },
    );
  });

  it('rejects every call with the same error object', async () => {
    const error = new Error('boom');
    await withTask(
      () => backend.sleep(5).then(failing(error)),
      async (task) => {
        expect(await rejection(task.join())).toBe(error);
        expect([await rejection(task.join()), await rejection(task.joinOrCancel())]).toEqual([
          error,
          error,
        ]);
      },
    );
  });

  it('rejects with a CancelledError if the task was cancelled', async () => {
    await withTask(forever, async (task) => {
      const joining = rejection(task.join());
      task.cancel();
      expect(await joining).toBeInstanceOf(CancelledError);
      expect(await rejection(task.join())).toBe(await joining);
      expect(await rejection(task.joinOrCancel())).toBe(await joining);
    });
  });

  it('need not be awaited: the group deals with the failure', async () => {
    await withTask(
      () => backend.sleep(5).then(failing(new Error('boom'))),
      async (task) => {
        void task.join();
        void task.joinOrCancel();
        await task.wait();
        void task.join();
        void task.joinOrCancel();
        await new Promise(setImmediate);
      },
    );
  });

  it('refuses to wait within the task itself, shielded or not', async () => {
    await backend.createTaskGroup().run(async (group) => {
      const tasks: Task<unknown[]>[] = [];
      tasks.push(
        await group.start(async () => {
          await backend.coroYield();
          const [task] = tasks;
          if (task === undefined) return [];
          return [
            await rejection(task.wait()),
            await rejection(task.join()),
            await rejection(task.joinOrCancel()),
            await rejection(backend.ignoreCancellation(() => task.join())),
          ];
        }),
      );
      const errors = (await tasks[0]?.join()) ?? [];
      expect(errors).toHaveLength(4);
      for (const error of errors) expect(error).toBeInstanceOf(InvalidStateError);
    });
  });
});

describe('Task.joinOrCancel', () => {
  it('cancels the task, and rejects with the cancellation of the waiter after the end of the task', async () => {
    let isEnded = false;
    await withTask(
      () =>
        forever().finally(async () => {
          await backend.ignoreCancellation(() => backend.sleep(5));
          isEnded = true;
        }),
      async (task) => {
        const scope = backend.moveOnAfter(1);
        await scope.run(() => task.joinOrCancel());
        expect(isEnded).toBe(true);
        expect([scope.cancelledCaught(), task.cancelled()]).toEqual([true, true]);
      },
    );
  });

  it('resolves to the value of a task that swallows the cancellation, and the scope has caught nothing', async () => {
    await withTask(swallowing(42), async (task) => {
      const scope = backend.moveOnAfter(1);
      expect(await scope.run(() => task.joinOrCancel())).toBe(42);
      expect(scope.cancelledCaught()).toBe(false);
    });
  });

  it('rejects with the error of a task that fails because of the cancellation', async () => {
    const error = new Error('cleanup');
    await withTask(
      () => forever().catch(failing(error)),
      async (task) => {
        expect(await rejection(backend.moveOnAfter(1).run(() => task.joinOrCancel()))).toBe(error);
      },
    );
  });

  it('cancels the task in a scope that is cancelled already, too', async () => {
    const cancelledScope = (): ReturnType<typeof backend.openCancelScope> => {
      const scope = backend.openCancelScope();
      scope.cancel();
      return scope;
    };
    await withTask(swallowing(42), async (task) => {
      expect(await cancelledScope().run(() => task.joinOrCancel())).toBe(42);
      expect(await cancelledScope().run(() => task.joinOrCancel())).toBe(42);
    });
    await withTask(forever, async (task) => {
      for (let i = 0; i < 2; i++) {
        const scope = cancelledScope();
        await scope.run(() => task.joinOrCancel());
        expect(scope.cancelledCaught()).toBe(true);
      }
    });
  });

  it('works if the same scope cancels the waiter and the task', async () => {
    const scope = backend.openCancelScope();
    await scope.run(() =>
      backend.createTaskGroup().run(async (group) => {
        const task = await group.start(forever);
        group.startSoon(() => scope.cancel());
        await task.joinOrCancel();
      }),
    );
    expect(scope.cancelledCaught()).toBe(true);
  });
});
