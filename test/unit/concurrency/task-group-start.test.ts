import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import type { TaskGroup, TaskInfo } from '#lib/contract/tasks';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();
const forever = (): Promise<never> => backend.sleepForever();

function fail(error: unknown): () => Promise<never> {
  return () => Promise.reject(error);
}

async function failures(running: Promise<unknown>): Promise<unknown[]> {
  const error = await rejection(running);
  expect(error).toBeInstanceOf(AggregateError);
  return (error as AggregateError).errors as unknown[];
}

describe('TaskGroup.startSoon', () => {
  it('begins tasks in the order of the calls, after the current turn of the caller', async () => {
    const log: string[] = [];
    await backend.createTaskGroup().run(async (group) => {
      for (const name of ['a', 'b', 'c']) group.startSoon(() => log.push(name));
      log.push('body');
      await backend.coroYield();
      log.push('yielded');
    });
    expect(log).toEqual(['body', 'a', 'b', 'c', 'yielded']);
  });

  it('treats an error that the function throws at once as a failure of the task', async () => {
    const error = new Error('sync');
    const running = backend.createTaskGroup().run((group) => {
      group.startSoon(() => {
        throw error;
      });
    });
    expect(await failures(running)).toEqual([error]);
  });

  it('throws at once for a value that is not a function and a name that is not a string', async () => {
    await backend.createTaskGroup().run(async (group) => {
      expect(() => group.startSoon(Promise.resolve() as never)).toThrow(TypeError);
      expect(() => group.startSoon(() => undefined, { name: 5 as never })).toThrow(TypeError);
      expect(await rejection(group.start(5 as never))).toBeInstanceOf(TypeError);
    });
  });

  it('names tasks by the option, the function or a number', async () => {
    const names: string[] = [];
    const note = (): void => void names.push(backend.getCurrentTask().name);
    await backend.createTaskGroup().run((group) => {
      group.startSoon(note, { name: 'x' });
      group.startSoon(function named() {
        note();
      });
      group.startSoon(() => note());
    });
    expect(names).toEqual(['x', 'named', expect.stringMatching(/^task-\d+$/)]);
  });

  it('runs tasks in the context of the caller, not in that of the group', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const note = async (): Promise<void> => {
      seen.push(storage.getStore());
      await backend.sleep(1);
      seen.push(storage.getStore());
    };
    await storage.run('host', () =>
      backend.createTaskGroup().run((group) => {
        group.startSoon(note);
        storage.run('other', () => group.startSoon(note));
        storage.exit(() => group.startSoon(note));
      }),
    );
    expect(seen).toEqual(['host', 'other', undefined, 'host', 'other', undefined]);
  });

  it('starts a task that only the group cancels, no matter which scope the call is in', async () => {
    let opened: TaskGroup | undefined;
    const elsewhere = backend.openCancelScope();
    await backend.createTaskGroup().run(async (group) => {
      opened = group;
      await elsewhere.run(() => {
        opened?.startSoon(() => backend.sleep(5));
        elsewhere.cancel();
      });
    });
    expect(elsewhere.cancelledCaught()).toBe(false);
  });

  it('holds a hundred thousand tasks', async () => {
    let ended = 0;
    await backend.createTaskGroup().run((group) => {
      for (let i = 0; i < 100_000; i++) {
        group.startSoon(async () => {
          await backend.sleep(i % 100);
          ended++;
        });
      }
    });
    expect(ended).toBe(100_000);
    const group = backend.createTaskGroup();
    await group.run(async () => {
      for (let i = 0; i < 100_000; i++) group.startSoon(forever);
      await backend.coroYield();
      group.cancelScope.cancel();
    });
  });
});

describe('TaskGroup.start', () => {
  it('resolves when the task has begun, to a handle with the info of the task', async () => {
    await backend.createTaskGroup().run(async (group) => {
      let seen: TaskInfo | undefined;
      const task = await group.start(
        () => {
          seen = backend.getCurrentTask();
          return backend.sleep(1);
        },
        { name: 'x' },
      );
      expect(task.info).toBe(seen);
      expect(task.info.name).toBe('x');
      expect(task.done()).toBe(false);
    });
  });

  it('resolves to a handle that is done if the task failed at once', async () => {
    const error = new Error('boom');
    const running = backend.createTaskGroup().run(async (group) => {
      const task = await group.start(fail(error));
      await backend.ignoreCancellation(() => task.wait());
      expect(task.done()).toBe(true);
      const throwing = await group.start(() => 5).catch(() => 'cancelled by then');
      expect(throwing).toBe('cancelled by then');
    });
    expect(await failures(running)).toEqual([error]);
  });

  it('starts no task in a cancelled scope', async () => {
    let hasRun = false;
    const scope = backend.openCancelScope();
    await backend.createTaskGroup().run(async (group) => {
      scope.cancel();
      await scope.run(() => group.start(() => (hasRun = true)));
    });
    expect(hasRun).toBe(false);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('starts no task if it is cancelled before the task has begun', async () => {
    let hasRun = false;
    const scope = backend.openCancelScope();
    await backend.createTaskGroup().run(async (group) => {
      await scope.run(async () => {
        const starting = group.start(() => (hasRun = true));
        scope.cancel();
        await starting;
      });
    });
    expect(hasRun).toBe(false);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('succeeds even if the first step of the task cancels the caller', async () => {
    const scope = backend.openCancelScope();
    await backend.createTaskGroup().run((group) =>
      scope.run(async () => {
        const task = await group.start(() => scope.cancel());
        expect(task.done()).toBe(true);
        await backend.coroYield();
      }),
    );
    expect(scope.cancelledCaught()).toBe(true);
  });
});
