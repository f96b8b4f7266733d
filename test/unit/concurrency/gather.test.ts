import { describe, expect, it } from 'vitest';
import { CancelledError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('gather', () => {
  it('resolves to an empty list without functions', async () => {
    expect(await backend.gather()).toEqual([]);
  });

  it('runs all functions concurrently, and resolves to the results in order', async () => {
    const start = backend.currentTime();
    const [a, b, c] = await backend.gather(
      () => backend.sleep(500).then(() => 'a'),
      async () => {
        await backend.sleep(300);
        return 2;
      },
      () => 'at once',
    );
    const typed: [string, number, string] = [a, b, c];
    expect(typed).toEqual(['a', 2, 'at once']);
    expect(backend.currentTime()).toBe(start + 500);
  });

  it('begins the functions in order, each as its own task', async () => {
    const log: string[] = [];
    const ids = await backend.gather(
      function first() {
        log.push('first');
        return backend.getCurrentTask();
      },
      function second() {
        log.push('second');
        return backend.getCurrentTask();
      },
    );
    expect(log).toEqual(['first', 'second']);
    expect(ids.map((info) => info.name)).toEqual(['first', 'second']);
  });

  it('rejects with an AggregateError of the failures, even of a single one', async () => {
    const [a, b] = [new Error('a'), new Error('b')];
    const shielded = (delay: number, error?: Error) => (): Promise<void> =>
      backend.ignoreCancellation(async () => {
        await backend.sleep(delay);
        if (error !== undefined) throw error;
      });
    const error = await rejection(
      backend.gather(shielded(1, a), shielded(2), shielded(3, b), shielded(4)),
    );
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([a, b]);
    const single = await rejection(backend.gather(() => Promise.reject(a)));
    expect((single as AggregateError).errors).toEqual([a]);
  });

  it('cancels the rest at the first failure', async () => {
    const start = backend.currentTime();
    await rejection(
      backend.gather(
        () => backend.sleepForever(),
        () => backend.sleep(5).then(() => Promise.reject(new Error('boom'))),
      ),
    );
    expect(backend.currentTime()).toBe(start + 5);
  });

  it('is cancelled with all its functions', async () => {
    let cancelled = 0;
    const member = (): Promise<never> => backend.sleepForever().finally(() => cancelled++);
    const scope = backend.moveOnAfter(5);
    await scope.run(() => backend.gather(member, member));
    expect(cancelled).toBe(2);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('resolves to the results if its cancellation ended no function', async () => {
    const scope = backend.openCancelScope();
    const result = await scope.run(() =>
      backend.gather(
        () => scope.cancel(),
        () => backend.sleepForever().catch(() => 'swallowed'),
      ),
    );
    expect(result).toEqual([undefined, 'swallowed']);
  });

  it('calls no function in a cancelled scope', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    let hasRun = false;
    await scope.run(() => backend.gather(() => (hasRun = true)));
    expect(hasRun).toBe(false);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('cancels the rest and rejects if a function throws a CancelledError, but failures take precedence', async () => {
    const error = new CancelledError('mine');
    let isCancelled = false;
    const rest = (): Promise<never> =>
      backend.sleepForever().finally(() => {
        isCancelled = true;
      });
    const lost = (): Promise<never> => Promise.reject(error);
    expect(await rejection(backend.gather(rest, lost))).toBe(error);
    expect(isCancelled).toBe(true);
    const failure = new Error('boom');
    const failing = (): Promise<never> =>
      backend.sleepForever().catch(() => Promise.reject(failure));
    expect(((await rejection(backend.gather(failing, lost))) as AggregateError).errors).toEqual([
      failure,
    ]);
  });

  it('rejects with the cancellation of an outer scope if a function throws its own CancelledError meanwhile', async () => {
    const scope = backend.openCancelScope();
    let hasResult = false;
    await scope.run(async () => {
      await backend.gather(() => {
        scope.cancel();
        throw new CancelledError('mine');
      });
      hasResult = true;
    });
    expect(hasResult).toBe(false);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('calls no function if one of the values is not a function', async () => {
    let hasRun = false;
    expect(
      await rejection(backend.gather(() => (hasRun = true), Promise.resolve() as never)),
    ).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('fns[1]') as unknown,
    });
    expect(hasRun).toBe(false);
  });
});
