import { describe, expect, it } from 'vitest';
import { CancelledError } from '#lib/errors';
import { Deferred, rejection, virtualBackend } from './fixture';

const backend = virtualBackend();

describe('CancelScope.signal', () => {
  it('aborts when the scope is cancelled, with its error as the reason', async () => {
    const scope = backend.openCancelScope();
    const { signal } = scope;
    expect(scope.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    await scope.run(async () => {
      scope.cancel();
      expect(signal.reason).toBe(await rejection(backend.sleep(1)));
    });
  });

  it('aborts when a scope around it is cancelled, during the run or before it', async () => {
    const outer = backend.openCancelScope();
    await outer.run(async () => {
      const inner = backend.openCancelScope();
      const late = backend.openCancelScope();
      const { signal } = late;
      await inner.run(async () => {
        const aborted = new Deferred();
        inner.signal.addEventListener('abort', () => aborted.resolve());
        outer.cancel();
        await aborted.promise;
        expect(inner.signal.reason).toBe(outer.signal.reason);
      });
      await late.run(() => {
        expect(signal.reason).toBe(outer.signal.reason);
      });
    });
  });

  it('is not aborted behind a shield or by the end of the scope', async () => {
    const outer = backend.openCancelScope();
    let signal: AbortSignal | undefined;
    await outer.run(() =>
      backend.ignoreCancellation(async () => {
        const inner = backend.openCancelScope();
        ({ signal } = inner);
        await inner.run(() => outer.cancel());
      }),
    );
    expect(signal?.aborted).toBe(false);
  });

  it('is aborted already if it is first read after the cancellation', () => {
    const scope = backend.openCancelScope();
    scope.cancel();
    expect(scope.signal.aborted).toBe(true);
    expect(scope.signal.reason).toBeInstanceOf(CancelledError);
  });

  it('may have listeners that open, cancel and leave scopes', async () => {
    const scope = backend.openCancelScope();
    const other = backend.openCancelScope();
    await Promise.all([
      other.run(() => backend.sleepForever()),
      scope.run(async () => {
        scope.signal.addEventListener('abort', () => {
          other.cancel();
          void backend.openCancelScope().run(() => undefined);
        });
        scope.cancel();
        await backend.sleepForever();
      }),
    ]);
    expect([scope.cancelledCaught(), other.cancelledCaught()]).toEqual([true, true]);
  });

  it('takes many listeners without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    const scope = backend.openCancelScope();
    for (let i = 0; i < 100; i++) scope.signal.addEventListener('abort', () => undefined);
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});
