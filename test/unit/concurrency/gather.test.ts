import { describe, expect, it } from 'vitest';
import { CancelledError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('gather', () => {
  it('of nothing gives an empty list', async () => {
    expect(await backend.gather()).toEqual([]);
  });

  it('runs all at once, and gives the results in order', async () => {
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

  it('begins them in order, as tasks of their own', async () => {
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

  it('rejects with one AggregateError of exactly the failures, be it one', async () => {
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

  it('gives the results if its cancellation hurt nobody', async () => {
    const scope = backend.openCancelScope();
    const result = await scope.run(() =>
      backend.gather(
        () => scope.cancel(),
        () => backend.sleepForever().catch(() => 'swallowed'),
      ),
    );
    expect(result).toEqual([undefined, 'swallowed']);
  });

  it('calls nobody in a cancelled scope', async () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    let hasRun = false;
    await scope.run(() => backend.gather(() => (hasRun = true)));
    expect(hasRun).toBe(false);
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('rejects with a CancelledError of a function, and cancels the rest, but failures go before', async () => {
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

  it('never gives a CancelledError for a result: when a scope outside is cancelled as well, its cancellation goes on', async () => {
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

  it('calls none if one is no function', async () => {
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
