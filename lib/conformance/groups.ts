import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { CancelledError } from '../errors';
import {
  BAD_STATE,
  BAD_TYPE,
  CANCELLED,
  endsQuietly,
  hasSettled,
  rejectsWith,
  throwsWith,
} from './expectations';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

async function failuresOf(running: Promise<unknown>): Promise<unknown[]> {
  const error: unknown = await running.then(
    () => assert.fail('expected a rejection, but it resolved'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AggregateError, String(error));
  return error.errors as unknown[];
}

/** Defines the tests of task groups and gather. */
export function testGroups(runner: TestRunner, subject: ConformanceSubject): void {
  defineSuite(runner, subject, 'a task group', (test) => {
    test('resolves to what its body returns, when every task has ended, also those that tasks started', async ({
      backend,
    }) => {
      assert.equal(await backend.createTaskGroup().run(() => 5), 5);
      const ended: string[] = [];
      const group = backend.createTaskGroup();
      await group.run(() => {
        group.startSoon(async () => {
          await backend.sleep(2);
          group.startSoon(async () => {
            await backend.sleep(2);
            ended.push('grandchild');
          });
          ended.push('child');
        });
      });
      assert.deepEqual(ended, ['child', 'grandchild']);
    });

    test('starts tasks in order, with names, in the context of the caller', async ({ backend }) => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      await backend.createTaskGroup().run((group) => {
        for (const name of ['one', 'two', 'three']) {
          storage.run(`context of ${name}`, () =>
            group.startSoon(
              () => void seen.push([backend.getCurrentTask().name, storage.getStore()]),
              { name },
            ),
          );
        }
        assert.deepEqual(seen, []);
      });
      assert.deepEqual(
        seen,
        ['one', 'two', 'three'].map((name) => [name, `context of ${name}`]),
      );
    });

    test('start resolves to the handle when the task has begun, even if the task failed at once', async ({
      backend,
    }) => {
      const failure = new Error('at once');
      const failures = await failuresOf(
        backend.createTaskGroup().run(async (group) => {
          let began = false;
          const task = await group.start(
            async () => {
              began = true;
              await backend.coroYield();
              return backend.getCurrentTask().id;
            },
            { name: 'named' },
          );
          assert.ok(began);
          assert.equal(task.info.name, 'named');
          assert.equal(await task.join(), task.info.id);
          const failed = await group.start(() => {
            throw failure;
          });
          await backend.ignoreCancellation(() => failed.wait());
          assert.ok(failed.done());
        }),
      );
      assert.deepEqual(failures, [failure]);
    });

    test('cannot be used before run, after run, or run twice', async ({ backend }) => {
      const group = backend.createTaskGroup();
      let began = 0;
      const begin = (): number => began++;
      throwsWith(BAD_STATE, () => group.startSoon(begin));
      await rejectsWith(BAD_STATE, () => group.start(begin));
      await group.run(async () => {
        await rejectsWith(BAD_STATE, () => group.run(begin));
        throwsWith(BAD_TYPE, () => group.startSoon(5 as never));
      });
      throwsWith(BAD_STATE, () => group.startSoon(begin));
      await rejectsWith(BAD_STATE, () => group.start(begin));
      await rejectsWith(BAD_STATE, () => group.run(begin));
      await backend.coroYield();
      assert.equal(began, 0);
    });

    test('the first failure of a task cancels the other tasks and the body, and run rejects with an AggregateError', async ({
      backend,
    }) => {
      const failure = new Error('of a task');
      const cancelled: string[] = [];
      const wait = async (name: string): Promise<void> => {
        try {
          await backend.sleepForever();
        } catch (error) {
          assert.ok(error instanceof CancelledError);
          cancelled.push(name);
          throw error;
        }
      };
      const failures = await failuresOf(
        backend.createTaskGroup().run(async (group) => {
          group.startSoon(() => wait('sibling'));
          group.startSoon(async () => {
            await backend.coroYield();
            throw failure;
          });
          await wait('body');
        }),
      );
      assert.deepEqual(failures, [failure]);
      assert.deepEqual(cancelled.sort(), ['body', 'sibling']);
    });

    test('failures of tasks that are being cancelled are in the AggregateError too', async ({
      backend,
    }) => {
      const [first, second, third] = [new Error('1'), new Error('2'), new Error('3')];
      const failures = await failuresOf(
        backend.createTaskGroup().run(async (group) => {
          for (const error of [second, third]) {
            group.startSoon(async () => {
              await backend.sleepForever().catch(() => {
                throw error;
              });
            });
          }
          await backend.coroYield();
          group.startSoon(() => {
            throw first;
          });
        }),
      );
      assert.equal(failures[0], first);
      assert.deepEqual(new Set(failures), new Set([first, second, third]));
    });

    test('if only the body fails, run rejects with its error; with other failures, that error is in the AggregateError', async ({
      backend,
    }) => {
      const [ofBody, ofTask] = [new Error('of the body'), new Error('of a task')];
      await assert.rejects(
        backend.createTaskGroup().run((group) => {
          group.startSoon(() => backend.sleepForever());
          throw ofBody;
        }),
        (error) => error === ofBody,
      );
      const failures = await failuresOf(
        backend.createTaskGroup().run(async (group) => {
          group.startSoon(() =>
            backend.sleepForever().catch(() => {
              throw ofTask;
            }),
          );
          await backend.coroYield();
          throw ofBody;
        }),
      );
      assert.deepEqual(new Set(failures), new Set([ofBody, ofTask]));
    });

    test('if an outer scope is cancelled, all tasks end before that scope does', async ({
      backend,
    }) => {
      for (const where of ['in the body', 'at the end']) {
        const scope = backend.openCancelScope();
        const ended: unknown[] = [];
        const running = scope.run(() =>
          backend.createTaskGroup().run(async (group) => {
            for (let i = 0; i < 3; i++) {
              group.startSoon(async () => {
                try {
                  await backend.sleepForever();
                } finally {
                  await backend.ignoreCancellation(() => backend.sleep(1));
                  ended.push(i);
                }
              });
            }
            if (where === 'in the body') await backend.sleepForever();
          }),
        );
        assert.equal(await hasSettled(running), false);
        scope.cancel();
        await endsQuietly(running);
        assert.ok(scope.cancelledCaught());
        assert.deepEqual(ended, [0, 1, 2]);
      }
    });

    test('if its own scope is cancelled, run resolves to undefined', async ({ backend }) => {
      const group = backend.createTaskGroup();
      let ended = 0;
      const result = await group.run(async () => {
        for (let i = 0; i < 3; i++) {
          await group.start(async () => {
            try {
              await backend.sleepForever();
            } finally {
              ended++;
            }
          });
        }
        group.cancelScope.cancel();
        await backend.coroYield();
        return 'never';
      });
      assert.equal(result, undefined);
      assert.equal(ended, 3);
      assert.ok(group.cancelScope.cancelledCaught());
    });

    test('cancelling one task does not disturb the others', async ({ backend }) => {
      const result = await backend.createTaskGroup().run(async (group) => {
        const doomed = await group.start(() => backend.sleepForever());
        const other = await group.start(() => backend.sleep(2).then(() => 5));
        assert.ok(doomed.cancel());
        await doomed.wait();
        assert.ok(doomed.cancelled());
        return other.join();
      });
      assert.equal(result, 5);
    });

    test('takes tasks while it is cancelled, and they are cancelled at their first checkpoint', async ({
      backend,
    }) => {
      const steps: string[] = [];
      await backend.createTaskGroup().run((group) => {
        group.cancelScope.cancel();
        group.startSoon(async () => {
          steps.push('began');
          await backend.coroYield();
          steps.push('never');
        });
        group.startSoon(() => void steps.push('without a checkpoint'));
      });
      assert.deepEqual(steps, ['began', 'without a checkpoint']);
    });

    test('a task that throws a CancelledError of its own making does not fail the group', async ({
      backend,
    }) => {
      const result = await backend.createTaskGroup().run(async (group) => {
        const task = await group.start(() => Promise.reject(new CancelledError()));
        await task.wait();
        assert.ok(task.cancelled());
        return 5;
      });
      assert.equal(result, 5);
    });
  });

  defineSuite(runner, subject, 'gather', (test) => {
    test('resolves to all results in the order of the functions', async ({ backend }) => {
      assert.deepEqual(await backend.gather(), []);
      assert.deepEqual(
        await backend.gather(
          () => backend.sleep(4).then(() => 'slow'),
          () => 'at once',
          async () => 'quick',
        ),
        ['slow', 'at once', 'quick'],
      );
    });

    test('the first failure cancels the other functions, and gather rejects with an AggregateError', async ({
      backend,
    }) => {
      const [first, second] = [new Error('1'), new Error('2')];
      const cancelled: unknown[] = [];
      const failures = await failuresOf(
        backend.gather(
          () =>
            backend
              .sleepForever()
              .catch((error: unknown) => (cancelled.push(error), Promise.reject(error))),
          async () => {
            await backend.coroYield();
            throw first;
          },
          () =>
            backend.ignoreCancellation(async () => {
              await backend.sleep(3);
              throw second;
            }),
        ),
      );
      assert.deepEqual(failures, [first, second]);
      assert.ok(cancelled[0] instanceof CancelledError);
    });

    test('a cancelled gather cancels all functions; in a cancelled scope it begins none', async (scenario) => {
      const { backend } = scenario;
      const scope = backend.openCancelScope();
      let ended = 0;
      const wait = async (): Promise<void> => {
        try {
          await backend.sleepForever();
        } finally {
          ended++;
        }
      };
      const running = scope.run(() => backend.gather(wait, wait, wait));
      assert.equal(await hasSettled(running), false);
      scope.cancel();
      await endsQuietly(running);
      assert.equal(ended, 3);
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => backend.gather(() => assert.fail('it began'))),
      );
    });
  });
}
