import type { Task } from '../contract/tasks';
import { AsyncExecutor } from '../threads/async-executor';
import type { ReadyCheckpoint } from './ready-checkpoint';
import type { Scenario } from './scenario';
import { threadFunction } from './thread-functions';

/** A task that has ended. Its group has ended with it, even if the task failed. */
async function endedTask({ backend }: Scenario, fn: () => unknown): Promise<Task<unknown>> {
  let task: Task<unknown> | undefined;
  await backend
    .createTaskGroup()
    .run(async (group) => {
      task = await group.start(fn);
    })
    .catch(() => undefined);
  return task as Task<unknown>;
}

const fail = (): never => {
  throw new Error('of the task');
};

/** The ready checkpoints of tasks, scopes, locks and threads. */
export const CONCURRENCY_CHECKPOINTS: readonly ReadyCheckpoint[] = [
  // ── sleeping and yielding
  {
    name: 'coroYield',
    prepare:
      async ({ backend }) =>
      () =>
        backend.coroYield(),
  },
  {
    name: 'cancelShieldedCoroYield',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.cancelShieldedCoroYield(),
  },
  {
    name: 'sleep(0)',
    prepare:
      async ({ backend }) =>
      () =>
        backend.sleep(0),
  },
  { name: 'sleepUntil a time in the past', prepare: async ({ backend }) => () => backend.sleepUntil(0) }, // prettier-ignore
  {
    name: 'a timeout that has passed',
    prepare:
      async ({ backend }) =>
      () =>
        backend.timeout(0).run(() => backend.sleepForever()),
  },
  {
    name: 'waitFor a promise that is resolved',
    prepare:
      async ({ backend }) =>
      () =>
        backend.waitFor(Promise.resolve(1)),
  },
  {
    name: 'waitFor a promise that is rejected',
    prepare:
      async ({ backend }) =>
      () =>
        backend.waitFor(Promise.reject(new Error('of the promise'))),
  },

  // ── locks
  {
    name: 'wait for an event that is set',
    prepare: async ({ backend }) => {
      const event = backend.createEvent();
      event.set();
      return () => event.wait();
    },
  },
  {
    name: 'acquire a free lock',
    prepare: async ({ backend }) => {
      const lock = backend.createLock();
      return async () => {
        await lock.acquire();
        lock.release();
      };
    },
  },
  {
    name: 'acquire a free fair lock',
    prepare: async ({ backend }) => {
      const lock = backend.createFairLock();
      return async () => {
        await lock.acquire();
        lock.release();
      };
    },
  },
  {
    name: 'acquire a lock that the task holds already',
    prepare: async ({ backend }) => {
      const lock = backend.createLock();
      await lock.acquire();
      return () => lock.acquire();
    },
  },
  {
    name: 'runExclusive of a free lock',
    prepare: async ({ backend }) => {
      const lock = backend.createLock();
      return () => lock.runExclusive(() => 1);
    },
  },
  {
    name: 'runExclusive of a condition',
    prepare: async ({ backend }) => {
      const condition = backend.createConditionVar();
      return () =>
        condition.runExclusive(() => {
          condition.notifyAll();
        });
    },
  },
  {
    name: 'wait for a condition without its lock',
    prepare: async ({ backend }) => {
      const condition = backend.createConditionVar();
      return () => condition.wait();
    },
  },

  // ── tasks
  {
    name: 'wait for a task that has ended',
    prepare: async (scenario) => {
      const task = await endedTask(scenario, () => 1);
      return () => task.wait();
    },
  },
  {
    name: 'join a task that has ended',
    prepare: async (scenario) => {
      const task = await endedTask(scenario, () => 1);
      return () => task.join();
    },
  },
  {
    name: 'join a task that has failed',
    prepare: async (scenario) => {
      const task = await endedTask(scenario, fail);
      return () => task.join();
    },
  },
  {
    name: 'joinOrCancel a task that has ended',
    // Its result is there, so it does not reject in a cancelled scope.
    isNoCheckpoint: true,
    prepare: async (scenario) => {
      const task = await endedTask(scenario, () => 1);
      return () => task.joinOrCancel();
    },
  },
  {
    name: 'gather nothing',
    prepare:
      async ({ backend }) =>
      () =>
        backend.gather(),
  },
  {
    name: 'gather functions that do not wait',
    prepare:
      async ({ backend }) =>
      () =>
        backend.gather(
          () => 1,
          async () => 2,
        ),
  },
  {
    name: 'gather a function that fails',
    prepare:
      async ({ backend }) =>
      () =>
        backend.gather(fail),
  },
  {
    name: 'start a task that does not wait',
    prepare: async (scenario) => {
      const { backend } = scenario;
      const group = backend.createTaskGroup();
      // The body begins at once. The group stays open, and ends with the test.
      const end = backend.createEvent();
      const running = group.run(() => end.wait());
      scenario.atEnd(async () => {
        end.set();
        await running;
      });
      return () => group.start(() => 1);
    },
  },
  {
    name: 'start a task in a group that has ended',
    prepare: async ({ backend }) => {
      const group = backend.createTaskGroup();
      await group.run(() => undefined);
      return () => group.start(() => 1);
    },
  },
  {
    name: 'a group without tasks',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.createTaskGroup().run(() => 1),
  },
  {
    name: 'a group whose tasks do not wait',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.createTaskGroup().run((group) => {
          group.startSoon(() => 1);
        }),
  },
  {
    name: 'a group whose body fails',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.createTaskGroup().run(fail),
  },
  {
    name: 'a group whose task fails',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.createTaskGroup().run((group) => {
          group.startSoon(fail);
        }),
  },

  // ── tasks that wake each other
  {
    name: 'a lock that two tasks hand to each other',
    prepare: async ({ backend }) => {
      const lock = backend.createLock();
      const turn = async (): Promise<void> => {
        for (let i = 0; i < 100; i++) await lock.runExclusive(() => Promise.resolve());
      };
      return () => backend.gather(turn, turn);
    },
  },
  {
    name: 'events that two tasks set for each other',
    prepare:
      async ({ backend }) =>
      () => {
        const events = Array.from({ length: 100 }, () => backend.createEvent());
        const turn = async (parity: number): Promise<void> => {
          for (const [index, event] of events.entries()) {
            if (index % 2 === parity) event.set();
            else await event.wait();
          }
        };
        return backend.gather(
          () => turn(0),
          () => turn(1),
        );
      },
  },
  {
    name: 'a condition by which two tasks wake each other',
    prepare: async ({ backend }) => {
      const condition = backend.createConditionVar();
      return () => {
        let next = 0;
        const turn = (parity: number): Promise<void> =>
          condition.runExclusive(async () => {
            while (next < 100) {
              if (next % 2 === parity) {
                next++;
                condition.notifyAll();
              } else await condition.wait();
            }
          });
        return backend.gather(
          () => turn(0),
          () => turn(1),
        );
      };
    },
  },

  // ── threads
  {
    name: 'runInThread with an argument that cannot be cloned',
    prepare:
      async ({ backend }) =>
      () =>
        backend.runInThread(threadFunction('add'), [() => 1]),
  },
  {
    name: 'a call of an executor that was shut down',
    prepare: async ({ backend }) => {
      const executor = new AsyncExecutor(backend);
      await executor.shutdown();
      return () => executor.run(threadFunction('add'), [1, 2]);
    },
  },
  {
    name: 'a portal that is not called',
    isNoCheckpoint: true,
    prepare:
      async ({ backend }) =>
      () =>
        backend.createThreadsPortal({}).run(() => 1),
  },
];
