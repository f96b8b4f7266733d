import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CancelledError, InvalidStateError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('CancelScope.run', () => {
  it('resolves to the result of a body that is not cancelled', async () => {
    const scope = backend.openCancelScope();
    expect(await scope.run(async () => 42)).toBe(42);
    expect(await backend.openCancelScope().run(() => 'at once')).toBe('at once');
    expect(scope.cancelCalled()).toBe(false);
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('passes the scope to the body, which begins at once', async () => {
    const scope = backend.openCancelScope();
    let given: unknown;
    const running = scope.run((own) => {
      given = own;
    });
    expect(given).toBe(scope);
    await running;
  });

  it('rejects with the same error object as the body, thrown at once or later', async () => {
    const error = new Error('boom');
    const throwing = (): never => {
      throw error;
    };
    expect(await rejection(backend.openCancelScope().run(throwing))).toBe(error);
    expect(await rejection(backend.openCancelScope().run(async () => throwing()))).toBe(error);
    expect(
      await rejection(
        backend.openCancelScope().run(() => Promise.reject(undefined as unknown as Error)),
      ),
    ).toBe(undefined);
  });

  it('awaits any thenable, with the scope as its context', async () => {
    const scope = backend.openCancelScope();
    const lazy = {
      then(resolve: (value: string) => void, reject: (reason: unknown) => void) {
        backend.sleep(5).then(() => resolve('asleep'), reject);
      },
    };
    scope.cancel();
    expect(await scope.run(() => lazy as PromiseLike<string>)).toBe(undefined);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('resolves to undefined when it is cancelled, and reports the cancellation afterwards', async () => {
    const scope = backend.openCancelScope();
    let isPast = false;
    const result = await scope.run(async () => {
      scope.cancel();
      await backend.sleep(1);
      isPast = true;
      return 1;
    });
    expect(result).toBe(undefined);
    expect(isPast).toBe(false);
    expect(scope.cancelCalled()).toBe(true);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('refuses to be entered twice, within itself or after its end', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      expect(await rejection(scope.run(() => undefined))).toBeInstanceOf(InvalidStateError);
    });
    expect(await rejection(scope.run(() => undefined))).toMatchObject({
      code: 'ERR_INVALID_STATE',
    });
  });

  it('rejects a body that is not a function, and can be entered after that', async () => {
    const scope = backend.openCancelScope();
    expect(await rejection(scope.run(1 as unknown as () => void))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(await scope.run(() => 'fine')).toBe('fine');
  });

  it('ends a whole Promise.all of checkpoints', async () => {
    const scope = backend.openCancelScope();
    const errors: unknown[] = [];
    await scope.run(async () => {
      const sleeps = [backend.sleep(10), backend.sleepForever(), backend.createEvent().wait()].map(
        (sleep) =>
          sleep.catch((error: unknown) => {
            errors.push(error);
            throw error;
          }),
      );
      scope.cancel();
      await Promise.allSettled(sleeps);
      await Promise.all(sleeps);
    });
    expect(errors).toHaveLength(3);
    expect(new Set(errors).size).toBe(1);
    expect(scope.cancelledCaught()).toBe(true);
  });
});

describe('CancelScope.cancel', () => {
  it('takes effect at the first checkpoint if it was called before the scope is entered', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    await backend.sleep(1);
    let reached = 0;
    await scope.run(async () => {
      reached = 1;
      await Promise.resolve();
      reached = 2;
      await backend.coroYield();
      reached = 3;
    });
    expect(reached).toBe(2);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('may be called repeatedly and after the end', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      scope.cancel();
      scope.cancel();
      const first = await rejection(backend.sleep(1));
      scope.cancel();
      expect(await rejection(backend.sleep(1))).toBe(first);
    });
    scope.cancel();
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('does not affect a body that ends without a checkpoint', async () => {
    const scope = backend.openCancelScope();
    const result = await scope.run(async () => {
      await Promise.resolve();
      scope.cancel();
      return 'done';
    });
    expect(result).toBe('done');
    expect(scope.cancelCalled()).toBe(true);
    expect(scope.cancelledCaught()).toBe(false);
    await backend.sleep(1);
  });

  it('is level-triggered: code that swallows the error meets it at every further checkpoint', async () => {
    const scope = backend.openCancelScope();
    let count = 0;
    await scope.run(async () => {
      scope.cancel();
      for (let i = 0; i < 5; i++) {
        await backend.coroYield().catch((error: unknown) => {
          expect(error).toBeInstanceOf(CancelledError);
          count++;
        });
      }
    });
    expect(count).toBe(5);
    expect(scope.cancelledCaught()).toBe(false);
    await backend.coroYield();
  });

  it('reaches checkpoints that would not wait', async () => {
    const scope = backend.openCancelScope();
    const event = backend.createEvent();
    event.set();
    await scope.run(async () => {
      scope.cancel();
      for (const checkpoint of [
        () => backend.createLock().acquire(),
        () => event.wait(),
        () => backend.sleep(0),
        () => backend.sleepUntil(-1),
        () => backend.waitFor(Promise.resolve(1)),
        () => backend.gather(),
      ]) {
        expect(await rejection(checkpoint())).toMatchObject({
          name: 'CancelledError',
          code: 'ABORT_ERR',
        });
      }
    });
  });

  it('interrupts a sleep from another task', async () => {
    await backend.bootstrap(async () => {
      const scope = backend.openCancelScope();
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => {
          scope.cancel();
        });
        await scope.run(() => backend.sleepForever());
      });
      expect(scope.cancelledCaught()).toBe(true);
    });
  });

  it('does not affect code after the scope: the next checkpoint outside succeeds', async () => {
    for (const ending of [
      () => backend.sleepForever(),
      () => undefined,
      () => rejection(backend.sleepForever()),
    ]) {
      const scope = backend.openCancelScope();
      scope.cancel();
      await scope.run(ending);
      await backend.coroYield();
      await backend.sleep(1);
    }
  });

  it('creates an error with a stack that shows the caller of cancel()', async () => {
    const scope = backend.openCancelScope();
    function theCulprit(): void {
      scope.cancel();
    }
    await scope.run(async () => {
      theCulprit();
      expect(await rejection(backend.sleep(1))).toMatchObject({
        stack: expect.stringContaining('theCulprit') as unknown,
      });
    });
  });
});

describe('CancelScope deadlines', () => {
  it('end a longer sleep in time, and no shorter one', async () => {
    const start = backend.currentTime();
    expect(await backend.moveOnAfter(50).run(() => backend.sleep(1000))).toBe(undefined);
    expect(backend.currentTime()).toBe(start + 50);
    await backend.moveOnAt(start + 70).run(() => backend.sleepForever());
    expect(backend.currentTime()).toBe(start + 70);
    expect(await backend.moveOnAfter(50).run(() => backend.sleep(49).then(() => 'slept'))).toBe(
      'slept',
    );
  });

  it('count from the call that made the scope: entering late shortens the wait', async () => {
    const scope = backend.moveOnAfter(50);
    await backend.sleep(30);
    const start = backend.currentTime();
    await scope.run(() => backend.sleepForever());
    expect(backend.currentTime()).toBe(start + 20);
  });

  it('take effect when the scope is entered, if they have passed by then', async () => {
    const scope = backend.moveOnAt(backend.currentTime() - 1);
    expect(scope.cancelCalled()).toBe(false);
    await scope.run(async () => {
      expect(scope.cancelCalled()).toBe(true);
      await backend.sleep(0);
    });
    expect(scope.cancelledCaught()).toBe(true);
    const negative = backend.moveOnAfter(-5);
    expect(await negative.run(() => 'no checkpoint')).toBe('no checkpoint');
    expect(negative.cancelCalled()).toBe(true);
    expect(negative.cancelledCaught()).toBe(false);
  });

  it('never come if they are Infinity', async () => {
    for (const scope of [
      backend.openCancelScope(),
      backend.moveOnAfter(Infinity),
      backend.timeoutAt(Infinity),
    ]) {
      expect(scope.when()).toBe(Infinity);
      expect(await scope.run(() => backend.sleep(1e9).then(() => 'awake'))).toBe('awake');
    }
  });

  it('can be moved later and removed', async () => {
    const scope = backend.moveOnAfter(50);
    await scope.run(async () => {
      scope.reschedule(scope.when() + 100);
      await backend.sleep(100);
      scope.deadline += 1000;
      await backend.sleep(200);
      scope.deadline = Infinity;
      await backend.sleep(1e6);
    });
    expect(scope.cancelCalled()).toBe(false);
  });

  it('can be moved earlier, even into the past', async () => {
    const start = backend.currentTime();
    const scope = backend.moveOnAfter(1e6);
    await scope.run(() => {
      scope.reschedule(start + 10);
      return backend.sleepForever();
    });
    expect(backend.currentTime()).toBe(start + 10);
    const past = backend.openCancelScope();
    await past.run(async () => {
      past.reschedule(-Infinity);
      expect(past.cancelCalled()).toBe(true);
      await backend.coroYield();
    });
    expect(past.cancelledCaught()).toBe(true);
  });

  it('are only stored if they are set before the scope is entered or after it has ended', async () => {
    const scope = backend.openCancelScope();
    scope.deadline = 5;
    expect(scope.when()).toBe(5);
    expect(scope.cancelCalled()).toBe(false);
    scope.deadline = Infinity;
    await scope.run(() => undefined);
    scope.deadline = 7;
    expect(scope.deadline).toBe(7);
    await backend.sleep(10);
    expect(scope.cancelCalled()).toBe(false);
  });

  it('do not revive a cancelled scope', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      scope.cancel();
      scope.reschedule(Infinity);
      expect(scope.cancelCalled()).toBe(true);
      await backend.coroYield();
    });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('take effect before a sleep that ends at the same moment', async () => {
    const now = backend.currentTime();
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const sleep = backend.sleepUntil(now + 10);
      scope.reschedule(now + 10);
      await sleep;
    });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('are noticed by cancelCalled() before the event loop gets a turn', async () => {
    const { ConcurrencyBackend } = await import('#lib/concurrency/backend');
    let now = 0;
    const busy = new ConcurrencyBackend({
      clock: {
        now: () => now,
        createAlarm: () => ({ set: () => undefined, hold: () => undefined }),
        nextTurn: (callback) => void setImmediate(callback),
      },
    });
    const scope = busy.moveOnAfter(10);
    await scope.run(async () => {
      now = 20;
      expect(scope.cancelCalled()).toBe(true);
      await busy.coroYield();
    });
    expect(scope.cancelledCaught()).toBe(true);
    const yielding = busy.moveOnAfter(10);
    await yielding.run(async () => {
      now = 40;
      await busy.coroYield();
    });
    expect(yielding.cancelledCaught()).toBe(true);
  });

  it('must be numbers other than NaN, at creation and in reschedule()', async () => {
    for (const make of [
      (time: number) => backend.openCancelScope({ deadline: time }),
      (time: number) => backend.moveOnAfter(time),
      (time: number) => backend.moveOnAt(time),
      (time: number) => backend.timeout(time),
      (time: number) => backend.timeoutAt(time),
      (time: number) => backend.openCancelScope().reschedule(time),
      (time: number) => {
        backend.openCancelScope().deadline = time;
      },
    ]) {
      expect(() => make(NaN)).toThrow(RangeError);
      expect(() => make('5' as unknown as number)).toThrow(TypeError);
    }
  });
});

describe('inspect(CancelScope)', () => {
  it('shows the state of the scope, and no other part of the tree', () => {
    expect(inspect(backend.openCancelScope({ deadline: 5 }))).toBe(
      'CancelScope { deadline: 5, cancelCalled: false, cancelledCaught: false }',
    );
    expect(inspect(backend.timeoutAt(5))).toMatch(/^TimeoutScope \{/);
  });
});
