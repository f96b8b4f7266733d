import { describe, expect, it } from 'vitest';
import { CancelledError, TimeoutError } from '#lib/errors';
import { rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('TimeoutScope.run', () => {
  it('resolves to the value that the body returns in time', async () => {
    expect(await backend.timeout(50).run(() => backend.sleep(49).then(() => 42))).toBe(42);
    expect(await backend.timeoutAt(backend.currentTime() + 50).run(() => 'at once')).toBe(
      'at once',
    );
  });

  it('rejects with TimeoutError when the deadline ended the body', async () => {
    const scope = backend.timeout(50);
    const error = await rejection(scope.run(() => backend.sleepForever()));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({
      code: 'ETIMEDOUT',
      name: 'TimeoutError',
      message: 'timed out',
      cause: scope.signal.reason as unknown,
    });
    expect(scope.cancelledCaught()).toBe(true);
    expect(await rejection(backend.timeoutAt(0).run(() => backend.sleep(0)))).toBeInstanceOf(
      TimeoutError,
    );
  });

  it('rejects with TimeoutError after cancel(), too', async () => {
    const scope = backend.timeout(Infinity);
    const running = scope.run(() => backend.sleepForever());
    scope.cancel();
    expect(await rejection(running)).toBeInstanceOf(TimeoutError);
  });

  it('keeps the first cancellation as the cause, no matter where the deadline moves after it', async () => {
    const scope = backend.timeout(Infinity);
    const running = scope.run(() => {
      scope.cancel();
      scope.reschedule(-1);
      return backend.sleepForever();
    });
    expect(await rejection(running)).toMatchObject({
      cause: { message: 'The scope was cancelled' },
    });
  });

  it('rejects with a stack that shows where it was awaited', async () => {
    async function theHandler(): Promise<void> {
      await backend.timeout(1).run(() => backend.sleepForever());
    }
    expect(await rejection(theHandler())).toMatchObject({
      stack: expect.stringContaining('theHandler') as unknown,
    });
  });

  it('does not reject if the body ends by itself after the deadline', async () => {
    const scope = backend.timeout(0);
    expect(
      await scope.run(() => backend.ignoreCancellation(() => backend.sleep(5).then(() => 'late'))),
    ).toBe('late');
    expect([scope.cancelCalled(), scope.cancelledCaught()]).toEqual([true, false]);
    const swallowing = backend.timeout(0);
    expect(await swallowing.run(() => backend.sleep(5).catch(() => 'swallowed'))).toBe('swallowed');
    await backend.coroYield();
  });

  it('leaves a cancellation from outside a CancelledError', async () => {
    const outer = backend.moveOnAfter(10);
    const inner = backend.timeout(20);
    await outer.run(() => inner.run(() => backend.sleepForever()));
    expect([inner.cancelCalled(), outer.cancelledCaught()]).toEqual([false, true]);
  });

  it('passes other errors on, even those thrown while it is cancelled', async () => {
    const error = new RangeError('boom');
    const scope = backend.timeout(1);
    const failing = async (): Promise<void> => {
      await backend.sleepForever().catch(() => {
        throw error;
      });
    };
    expect(await rejection(scope.run(failing))).toBe(error);
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('passes on a TimeoutError of its body, whatever its cause', async () => {
    const scope = backend.timeout(1);
    const error = await rejection(
      scope.run(() =>
        backend.sleepForever().catch((cancellation: unknown) => {
          throw new TimeoutError('mine', { cause: cancellation });
        }),
      ),
    );
    expect(error).toMatchObject({ message: 'mine' });
    expect(scope.cancelledCaught()).toBe(false);
  });

  it('lets the body extend its own deadline', async () => {
    const result = await backend.timeout(10).run(async (scope) => {
      scope.deadline += 100;
      await backend.sleep(100);
      return 'in time';
    });
    expect(result).toBe('in time');
  });

  it('rejects with a TimeoutError that survives a later cancellation of an outer scope', async () => {
    const outer = backend.openCancelScope();
    const error = await rejection(
      outer.run(async () => {
        try {
          await backend.timeout(1).run(() => backend.sleepForever());
        } finally {
          outer.cancel();
        }
      }),
    );
    expect(error).toBeInstanceOf(TimeoutError);
    expect(outer.cancelledCaught()).toBe(false);
    expect(error).not.toBeInstanceOf(CancelledError);
  });
});
