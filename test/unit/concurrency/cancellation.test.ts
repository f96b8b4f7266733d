import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { CancelledError, TimeoutError } from '#lib/errors';
import { abortError, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

/** Runs a cancelled scope with a body that throws what `make` returns for the cancellation. */
async function leaving(
  make: (own: unknown) => unknown,
): Promise<{ outcome: unknown; isCaught: boolean }> {
  const scope = backend.openCancelScope();
  scope.cancel();
  const outcome = await scope
    .run(() =>
      backend.sleepForever().catch((own: unknown) => {
        throw make(own);
      }),
    )
    .catch((error: unknown) => error);
  return { outcome, isCaught: scope.cancelledCaught() };
}

/** The error of `using` on runtimes without SuppressedError. */
function suppressed(error: unknown, cause: unknown): Error {
  return Object.assign(new Error('An error was suppressed during disposal.'), {
    name: 'SuppressedError',
    error,
    suppressed: cause,
  });
}

const absorbed = { outcome: undefined, isCaught: true };

describe('a cancelled scope absorbs', () => {
  it('the errors of Node.js and of drivers that got its signal', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const waiting = delay(100_000, undefined, { signal: scope.signal, ref: false });
      scope.cancel();
      await waiting;
    });
    expect(scope.cancelledCaught()).toBe(true);
    const reading = backend.openCancelScope();
    reading.cancel();
    expect(
      await reading.run(() => readFile(new URL(import.meta.url), { signal: reading.signal })),
    ).toBe(undefined);
    const fetching = backend.openCancelScope();
    fetching.cancel();
    expect(await fetching.run(() => fetch('http://127.0.0.1:9', { signal: fetching.signal }))).toBe(
      undefined,
    );
    const raw = backend.openCancelScope();
    raw.cancel();
    expect(await raw.run(() => raw.signal.throwIfAborted())).toBe(undefined);
  });

  it('an AbortError that reports its own, by name or by code, and even of another realm', async () => {
    expect(await leaving(abortError)).toEqual(absorbed);
    const byCode = (own: unknown): unknown =>
      Object.assign(new Error('aborted', { cause: own }), { code: 'ABORT_ERR' });
    expect(await leaving(byCode)).toEqual(absorbed);
    const byReason = (own: unknown): unknown =>
      Object.assign(new DOMException('aborted', 'AbortError'), { reason: own });
    expect(await leaving(byReason)).toEqual(absorbed);
    const foreign = 'Object.assign(new Error("aborted", { cause: own }), { name: "AbortError" })';
    expect(await leaving((own) => runInNewContext(foreign, { own }) as unknown)).toEqual(absorbed);
    expect(await leaving((own) => new CancelledError('mine', { cause: own }))).toEqual(absorbed);
  });

  it('an AggregateError of its own errors alone, no matter how nested', async () => {
    expect(await leaving((own) => new AggregateError([own, abortError(own)]))).toEqual(absorbed);
    expect(await leaving((own) => new AggregateError([new AggregateError([own]), own]))).toEqual(
      absorbed,
    );
  });

  it('the SuppressedError of `await using` if the disposal is cancelled, too', async () => {
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      await using _resource = { [Symbol.asyncDispose]: () => backend.sleep(1) };
      scope.cancel();
      await backend.sleep(1);
    });
    expect(scope.cancelledCaught()).toBe(true);
  });

  it('its own part of the SuppressedError of `await using` if the disposal fails', async () => {
    const failure = new Error('disposal');
    const scope = backend.openCancelScope();
    const running = scope.run(async () => {
      await using _resource = { [Symbol.asyncDispose]: () => Promise.reject(failure) };
      scope.cancel();
      await backend.sleep(1);
    });
    expect(await rejection(running)).toBe(failure);
    const { outcome } = await leaving((own) =>
      suppressed(new AggregateError([own, failure]), new Error('other')),
    );
    expect(outcome).toMatchObject({
      name: 'SuppressedError',
      error: { errors: [failure] },
      suppressed: { message: 'other' },
    });
  });

  it('an AbortError that reports an error of this library with its own error as the cause', async () => {
    expect(
      await leaving((own) => abortError(new CancelledError('partly sent', { cause: own }))),
    ).toEqual(absorbed);
  });

  it('its own part of an AggregateError, and passes on the rest with all properties of the error', async () => {
    const key = new RangeError('key');
    const original = Object.assign(new AggregateError([key], 'many', { cause: 'why' }), {
      code: 'EMANY',
    });
    const { outcome, isCaught } = await leaving((own) => {
      original.errors.push(own, new AggregateError([own]), new AggregateError([own, 5]));
      return original;
    });
    expect(isCaught).toBe(true);
    expect(outcome).toBeInstanceOf(AggregateError);
    expect(outcome).not.toBe(original);
    expect(outcome).toMatchObject({
      message: 'many',
      code: 'EMANY',
      cause: 'why',
      stack: original.stack,
    });
    const { errors } = outcome as AggregateError;
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBe(key);
    expect((errors[1] as AggregateError).errors).toEqual([5]);
    expect(original.errors).toHaveLength(4);
  });
});

describe('a cancelled scope passes on', () => {
  const others: [string, (own: unknown) => unknown][] = [
    ['an ordinary error', () => new Error('boom')],
    ['a CancelledError of a user', () => new CancelledError('mine')],
    ['a value that is no error', () => 'text'],
    ['nothing at all', () => undefined],
    ['an object that only looks like one', (own) => ({ cause: own, name: 'AbortError' })],
    ['an error of the user caused by its own', (own) => new Error('step 3', { cause: own })],
    ['a TypeError caused by its own', (own) => new TypeError('step 3', { cause: own })],
    ['a TimeoutError caused by its own', (own) => new TimeoutError('step 3', { cause: own })],
    [
      'an error of another realm caused by its own',
      (own) => runInNewContext('new Error("step 3", { cause: own })', { own }) as unknown,
    ],
    ['an error caused by an AbortError', (own) => new Error('step 3', { cause: abortError(own) })],
    ['an AbortError of another cancellation', () => abortError(new CancelledError('mine'))],
    ['an AbortError without a cause', () => abortError(undefined)],
    [
      'an error two causes away',
      (own) => new Error('a', { cause: new Error('b', { cause: own }) }),
    ],
    ['an empty AggregateError', (own) => new AggregateError([], 'none', { cause: own })],
    [
      'an AggregateError of others',
      () => new AggregateError([new Error('a'), new CancelledError('mine')]),
    ],
  ];
  for (const [what, make] of others) {
    it(`${what}, unchanged`, async () => {
      let made: unknown;
      const { outcome, isCaught } = await leaving((own) => (made = make(own)));
      expect(outcome).toBe(made);
      expect(isCaught).toBe(false);
    });
  }

  it('an AggregateError that contains itself', async () => {
    const { outcome } = await leaving((own) => {
      const circular = new AggregateError([own]);
      circular.errors.push(circular);
      return circular;
    });
    expect((outcome as AggregateError).errors).toHaveLength(1);
  });

  it('the cancellation of a scope that is not around it', async () => {
    const stranger = backend.openCancelScope();
    stranger.cancel();
    const foreign = stranger.signal.reason as unknown;
    const { outcome, isCaught } = await leaving(() => foreign);
    expect(outcome).toBe(foreign);
    expect(isCaught).toBe(false);
  });

  it('the cancellation of an inner scope that had absorbed it already', async () => {
    const outer = backend.openCancelScope();
    const inner = backend.openCancelScope();
    const error = await rejection(
      outer.run(async () => {
        let kept: unknown;
        await inner.run(async () => {
          inner.cancel();
          kept = await rejection(backend.sleep(1));
          throw kept;
        });
        outer.cancel();
        throw kept;
      }),
    );
    expect(error).toBe(inner.signal.reason);
    expect(outer.cancelledCaught()).toBe(false);
  });
});

describe('a scope that is not cancelled', () => {
  it('passes on every cancellation', async () => {
    const error = new CancelledError('mine');
    const scope = backend.openCancelScope();
    expect(await rejection(scope.run(() => Promise.reject(error)))).toBe(error);
    expect([scope.cancelCalled(), scope.cancelledCaught()]).toEqual([false, false]);
  });
});
