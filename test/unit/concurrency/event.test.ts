import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { virtualBackend } from './fixture';

const backend = virtualBackend();

describe('createEvent', () => {
  it('wakes all waiting tasks in order of arrival, and does not make later ones wait', async () => {
    const event = backend.createEvent();
    const log: string[] = [];
    expect(event.isSet()).toBe(false);
    await backend.gather(
      () => event.wait().then(() => log.push('a')),
      () => event.wait().then(() => log.push('b')),
      async () => {
        await backend.sleep(1);
        log.push('set');
        event.set();
        event.set();
        expect(event.isSet()).toBe(true);
        await event.wait();
      },
    );
    await event.wait();
    expect(log).toEqual(['set', 'a', 'b']);
  });

  it('forgets a cancelled waiter, and no other', async () => {
    const event = backend.createEvent();
    const woken: string[] = [];
    await backend.gather(
      () => event.wait().then(() => woken.push('a')),
      () => backend.moveOnAfter(1).run(() => event.wait().then(() => woken.push('cancelled'))),
      () => event.wait().then(() => woken.push('b')),
      () => backend.sleep(2).then(() => event.set()),
    );
    expect(woken).toEqual(['a', 'b']);
  });

  it('wakes a waiter that is cancelled later in the same turn', async () => {
    const event = backend.createEvent();
    const scope = backend.openCancelScope();
    const result = await scope.run(async () => {
      const waiting = event.wait();
      event.set();
      scope.cancel();
      await waiting;
      return 'through';
    });
    expect(result).toBe('through');
  });

  it('shows its state', () => {
    expect(inspect(backend.createEvent())).toBe('Event { isSet: false, waiters: 0 }');
  });
});
