import { describe, expect, it } from 'vitest';
import { CancelledError, InvalidStateError } from '#lib/errors';
import { abortError, failures, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();
const forever = (): Promise<never> => backend.sleepForever();

function fail(error: unknown): () => Promise<never> {
  return () => Promise.reject(error);
}

/** A task that fails when it is cancelled. */
function failLater(error: unknown): () => Promise<never> {
  return () =>
    backend.sleepForever().catch(() => {
      throw error;
    });
}

describe('TaskGroup.run', () => {
  it('resolves to the value of the body if the group has no tasks', async () => {
    expect(await backend.createTaskGroup().run(() => 'at once')).toBe('at once');
    expect(await backend.createTaskGroup().run(async () => 'later')).toBe('later');
  });

  it('waits for all tasks, even those that tasks start while it waits', async () => {
    const ended: number[] = [];
    await backend.createTaskGroup().run((group) => {
      const spawn = (depth: number): void => {
        group.startSoon(async () => {
          await backend.sleep(10);
          if (depth > 0) spawn(depth - 1);
          await backend.sleep(1);
          ended.push(depth);
        });
      };
      spawn(3);
    });
    expect(ended).toEqual([3, 2, 1, 0]);
  });

  it('runs once, and takes tasks only while it runs', async () => {
    const group = backend.createTaskGroup();
    let hasRun = false;
    const task = (): void => {
      hasRun = true;
    };
    expect(() => group.startSoon(task)).toThrow(InvalidStateError);
    expect(() => group.startSoon(task)).toThrow(/not open yet/);
    expect(await rejection(group.start(task))).toBeInstanceOf(InvalidStateError);
    await group.run(async () => {
      expect(await rejection(group.run(() => undefined))).toMatchObject({
        code: 'ERR_INVALID_STATE',
      });
    });
    expect(() => group.startSoon(task)).toThrow(/has ended/);
    expect(await rejection(group.start(task))).toBeInstanceOf(InvalidStateError);
    expect(await rejection(group.run(() => undefined))).toBeInstanceOf(InvalidStateError);
    await backend.coroYield();
    expect(hasRun).toBe(false);
  });

  it('rejects with an AggregateError if one task fails, and cancels the rest with that failure as the cause', async () => {
    const error = new RangeError('boom');
    const told: unknown[] = [];
    const tell = (): Promise<never> =>
      backend.sleepForever().catch((cancellation: unknown) => {
        told.push((cancellation as CancelledError).cause);
        throw cancellation;
      });
    const running = backend.createTaskGroup().run(async (group) => {
      group.startSoon(tell);
      group.startSoon(fail(error));
      await tell();
    });
    const reason = await rejection(running);
    expect(reason).toMatchObject({ message: '1 error in a task group: boom' });
    expect((reason as AggregateError).errors).toEqual([error]);
    expect(told).toEqual([error, error]);
  });

  it('collects the failures of tasks that fail while they are cancelled or shielded', async () => {
    const [a, b, c] = [new Error('a'), new Error('b'), new Error('c')];
    const errors = await failures(
      backend.createTaskGroup().run((group) => {
        group.startSoon(fail(a));
        group.startSoon(failLater(b));
        group.startSoon(() => backend.ignoreCancellation(() => backend.sleep(50).then(fail(c))));
        group.startSoon(forever);
      }),
    );
    expect(errors).toEqual([a, b, c]);
  });

  it('rejects with the error of the body if no task failed', async () => {
    const error = new Error('body');
    let isEnded = false;
    const running = backend.createTaskGroup().run(async (group) => {
      group.startSoon(async () => {
        try {
          await forever();
        } finally {
          await backend.ignoreCancellation(() => backend.sleep(5));
          isEnded = true;
        }
      });
      await backend.sleep(1);
      throw error;
    });
    expect(await rejection(running)).toBe(error);
    expect(isEnded).toBe(true);
    const throwing = (): never => {
      throw error;
    };
    expect(await rejection(backend.createTaskGroup().run(throwing))).toBe(error);
  });

  it("puts the body's error before those of the tasks that fail because of it", async () => {
    const [a, b] = [new Error('a'), new Error('b')];
    const running = backend.createTaskGroup().run(async (group) => {
      group.startSoon(failLater(b));
      await backend.sleep(1);
      throw a;
    });
    expect(await failures(running)).toEqual([a, b]);
  });

  it('keeps AggregateErrors of tasks nested, without CancelledErrors', async () => {
    const [a, b, c] = [new Error('a'), new Error('b'), new Error('c')];
    const errors = await failures(
      backend.createTaskGroup().run((group) => {
        group.startSoon(fail(c));
        group.startSoon(() =>
          backend.sleepForever().catch((cancellation: unknown) => {
            throw new AggregateError([
              a,
              cancellation,
              new AggregateError([new CancelledError()]),
              b,
            ]);
          }),
        );
        group.startSoon(fail(new AggregateError([new CancelledError()])));
      }),
    );
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBe(c);
    expect((errors[1] as AggregateError).errors).toEqual([a, b]);
  });

  it('counts a rejection with a value that is not an error as a failure', async () => {
    expect(
      await failures(backend.createTaskGroup().run((group) => group.startSoon(fail(undefined)))),
    ).toEqual([undefined]);
  });

  it('still treats a failure caused by a foreign cancellation as one after that scope was cancelled from outside', async () => {
    const outer = backend.createTaskGroup();
    const error = await rejection(
      backend.bootstrap(() =>
        outer.run(async () => {
          const inner = backend.createTaskGroup();
          await inner.run(async () => {
            const { signal } = inner.cancelScope;
            inner.cancelScope.cancel();
            outer.startSoon(() => {
              throw abortError(signal.reason);
            });
            await backend.coroYield();
          });
          await backend.sleepForever();
        }),
      ),
    );
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toMatchObject([{ name: 'AbortError' }]);
  });

  it('has not caught a cancellation that ended a task if it came from outside a shield', async () => {
    const outer = backend.openCancelScope();
    const group = backend.createTaskGroup();
    await outer.run(async () => {
      const { signal } = outer;
      await backend.ignoreCancellation(() =>
        group.run(() => {
          group.startSoon(() => {
            outer.cancel();
            group.cancelScope.cancel();
            throw signal.reason;
          });
        }),
      );
    });
    expect(group.cancelScope.cancelCalled()).toBe(true);
    expect(group.cancelScope.cancelledCaught()).toBe(false);
  });

  it('treats an AbortError of its own cancellation as a cancellation, and one of a foreign cancellation as a failure', async () => {
    const scope = backend.openCancelScope();
    await scope.run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(failLaterWithCause);
        await backend.coroYield();
        scope.cancel();
      }),
    );
    expect(scope.cancelledCaught()).toBe(true);
    const errors = await failures(
      backend.createTaskGroup().run(async (group) => {
        const worker = await group.start(forever);
        group.startSoon(() =>
          worker.join().catch((cause: unknown) => {
            throw abortError(cause);
          }),
        );
        await backend.coroYield();
        worker.cancel();
      }),
    );
    expect(errors).toMatchObject([{ name: 'AbortError' }]);

    function failLaterWithCause(): Promise<void> {
      return backend.sleepForever().catch((cause: unknown) => {
        throw abortError(cause);
      });
    }
  });
});

describe('TaskGroup.cancelScope', () => {
  it('ends body and tasks, and run resolves to undefined', async () => {
    const group = backend.createTaskGroup();
    const result = await group.run(async () => {
      group.startSoon(forever);
      await backend.coroYield();
      group.cancelScope.cancel();
      await backend.coroYield();
      return 'not reached';
    });
    expect(result).toBe(undefined);
    expect(group.cancelScope.cancelledCaught()).toBe(true);
  });

  it('does not replace the result of a body that had ended', async () => {
    const group = backend.createTaskGroup();
    group.cancelScope.deadline = backend.currentTime() + 10;
    const result = await group.run(() => {
      group.startSoon(forever);
      return 'body';
    });
    expect(result).toBe('body');
    expect(group.cancelScope.cancelledCaught()).toBe(true);
  });

  it('can be cancelled before the group runs', async () => {
    const group = backend.createTaskGroup();
    group.cancelScope.cancel();
    let begun = 0;
    await group.run(() => {
      group.startSoon(async () => {
        begun++;
        await backend.coroYield();
        begun++;
      });
      group.startSoon(() => {
        begun++;
      });
    });
    expect(begun).toBe(2);
  });

  it('refuses to be run by itself', async () => {
    const group = backend.createTaskGroup();
    expect(await rejection(group.cancelScope.run(() => undefined))).toBeInstanceOf(
      InvalidStateError,
    );
    expect(await group.run(() => 'unharmed')).toBe('unharmed');
  });
});

describe('a scope around a group', () => {
  it('cancels body and all tasks, and stops the cancellation after they have ended', async () => {
    const scope = backend.openCancelScope();
    const ended: string[] = [];
    const log = async (what: string): Promise<void> => {
      try {
        await forever();
      } finally {
        await backend.ignoreCancellation(() => backend.sleep(1));
        ended.push(what);
      }
    };
    await scope.run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => log('a'));
        group.startSoon(() => log('b'));
        await backend.coroYield();
        scope.cancel();
        await log('body');
      }),
    );
    expect(ended.sort()).toEqual(['a', 'b', 'body']);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('gets one plain CancelledError from a group that only waits for its tasks', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const running = backend.createTaskGroup().run((group) => {
        group.startSoon(forever);
        group.startSoon(forever);
        return 'body';
      });
      await backend.coroYield();
      scope.cancel();
      expect(await rejection(running)).toBe(scope.signal.reason);
    });
  });

  it('resolves to the result if its cancellation ended no task', async () => {
    const scope = backend.openCancelScope();
    const result = await scope.run(() =>
      backend.createTaskGroup().run((group) => {
        group.startSoon(() => backend.ignoreCancellation(() => backend.sleep(1)));
        group.startSoon(() => scope.cancel());
        return 'body';
      }),
    );
    expect(result).toBe('body');
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('wins over the cancelScope of the group', async () => {
    const scope = backend.openCancelScope();
    const group = backend.createTaskGroup();
    await scope.run(() =>
      group.run(async () => {
        group.startSoon(forever);
        await backend.coroYield();
        group.cancelScope.cancel();
        scope.cancel();
        await forever();
      }),
    );
    expect([group.cancelScope.cancelledCaught(), scope.cancelledCaught()]).toEqual([false, true]);
  });

  it('keeps the failures that come while it is cancelled', async () => {
    const scope = backend.openCancelScope();
    const error = new Error('cleanup');
    const running = scope.run(() =>
      backend.createTaskGroup().run(async (group) => {
        group.startSoon(failLater(error));
        await backend.coroYield();
        scope.cancel();
        await forever();
      }),
    );
    expect(await failures(running)).toEqual([error]);
    expect(scope.cancelledCaught()).toBe(false);
  });
});

describe('a CancelledError of a user', () => {
  it('ends its task as cancelled, and is not a failure of the group', async () => {
    const error = new CancelledError('mine');
    const result = await backend.createTaskGroup().run(async (group) => {
      const task = await group.start(() => backend.sleep(1).then(fail(error)));
      group.startSoon(() => backend.sleep(10));
      await task.wait();
      expect(task.cancelled()).toBe(true);
      expect(await rejection(task.join())).toBe(error);
      await backend.sleep(20);
      return 'undisturbed';
    });
    expect(result).toBe('undisturbed');
  });

  it('cancels the tasks and is passed on if it ends the body', async () => {
    const error = new CancelledError('mine');
    let isCancelled = false;
    const running = backend.createTaskGroup().run(async (group) => {
      await group.start(() =>
        forever().finally(() => {
          isCancelled = true;
        }),
      );
      throw error;
    });
    expect(await rejection(running)).toBe(error);
    expect(isCancelled).toBe(true);
  });
});
