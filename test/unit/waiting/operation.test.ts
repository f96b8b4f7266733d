import { describe, expect, it } from 'vitest';
import { CancelledError } from '#lib/errors';
import { cancelled, isCancelled, Operation } from '#lib/waiting/operation';
import type { PendingOperation, WaitScope } from '#lib/waiting/wait-scope';

class Probe extends Operation<number> {
  withdrawn = 0;

  describe(): string {
    return 'probe';
  }

  protected withdraw(): void {
    this.withdrawn++;
  }
}

class ListScope implements WaitScope {
  cancellation: CancelledError | null = null;
  readonly operations = new Set<PendingOperation>();

  link(operation: PendingOperation): void {
    this.operations.add(operation);
  }

  unlink(operation: PendingOperation): void {
    this.operations.delete(operation);
  }
}

describe('Operation', () => {
  it('is in its scope until it ends, in each possible way', async () => {
    const endings: ((probe: Probe) => void)[] = [
      (probe) => probe.settle(5),
      (probe) => probe.fail(new Error('boom')),
      (probe) => probe.cancel(new CancelledError()),
    ];
    for (const end of endings) {
      const scope = new ListScope();
      const probe = new Probe().enter(scope);
      expect([...scope.operations]).toEqual([probe]);
      end(probe);
      expect(scope.operations.size).toBe(0);
      expect(probe.scope).toBe(null);
      await probe.promise.catch(() => undefined);
    }
  });

  it('settles its promise, with or without a scope', async () => {
    const settled = new Probe().enter(undefined);
    settled.settle(5);
    expect(await settled.promise).toBe(5);
    const error = new Error('boom');
    const failed = new Probe().enter(new ListScope());
    failed.fail(error);
    await expect(failed.promise).rejects.toBe(error);
    expect(failed.withdrawn).toBe(0);
  });

  it('unlinks itself from its resource when cancelled, without an unhandled rejection', async () => {
    const reason = new CancelledError();
    const probe = new Probe().enter(new ListScope());
    probe.cancel(reason);
    await new Promise(setImmediate);
    expect(probe.withdrawn).toBe(1);
    await expect(probe.promise).rejects.toBe(reason);
  });
});

describe('isCancelled and cancelled', () => {
  it('look at the scope if there is one', async () => {
    const scope = new ListScope();
    expect([isCancelled(undefined), isCancelled(scope)]).toEqual([false, false]);
    scope.cancellation = new CancelledError();
    expect(isCancelled(scope)).toBe(true);
    if (!isCancelled(scope)) return;
    const promise = cancelled(scope);
    await new Promise(setImmediate);
    await expect(promise).rejects.toBe(scope.cancellation);
  });
});
