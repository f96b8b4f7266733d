import { describe, expect, it, vi } from 'vitest';
import type { NativeBinding } from '#lib/binding';
import type { Descriptor } from '#lib/socket/descriptor';
import type { IoOperation } from '#lib/socket/io-operation';
import { EXCEPTIONAL, READABLE, Reactor, WRITABLE } from '#lib/socket/reactor';
import { spend } from '#lib/waiting/turn-budget';

const BATCH = 4;

/** A reactor over a binding that only records its calls, and a function that delivers events. */
function fakeReactor(kind: 'epoll' | 'poll' = 'epoll') {
  const calls: unknown[][] = [];
  let events: Int32Array = new Int32Array(0);
  let enter: (count: number) => void = () => undefined;
  const note =
    (name: string, result = 0) =>
    (...args: unknown[]): number => {
      calls.push([name, ...args]);
      return result;
    };
  const native = {
    constants: {},
    limits: { batch: BATCH },
    reactorKind: () => kind,
    reactorOpen: vi.fn((array: Int32Array, deliver: (count: number) => void) => {
      events = array;
      enter = deliver;
      return 0;
    }),
    watch: vi.fn(note('watch')),
    arm: vi.fn(note('arm')),
    hold: vi.fn(note('hold')),
  };
  const deliver = (
    ...triples: readonly (readonly [slot: number, generation: number, events: number])[]
  ): void => {
    events.set(triples.flat());
    enter(triples.length);
  };
  return { reactor: new Reactor(native as unknown as NativeBinding), native, calls, deliver };
}

function fakeDescriptor(fd: number): Descriptor & { heard: number[] } {
  const heard: number[] = [];
  return {
    fd,
    slot: -1,
    reader: null,
    writer: null,
    heard,
    notify: (bits: number) => void heard.push(bits),
  } as unknown as Descriptor & {
    heard: number[];
  };
}

describe('Reactor', () => {
  it('brings each event to its descriptor', () => {
    const { reactor, calls, deliver } = fakeReactor();
    const [a, b] = [fakeDescriptor(10), fakeDescriptor(11)];
    expect([reactor.register(a), reactor.register(b)]).toEqual([0, 0]);
    expect(calls.filter(([name]) => name === 'watch')).toEqual([
      ['watch', 10, 0, 1],
      ['watch', 11, 1, 1],
    ]);
    deliver([1, 1, READABLE], [0, 1, WRITABLE], [1, 1, EXCEPTIONAL]);
    expect([a.heard, b.heard]).toEqual([[WRITABLE], [READABLE, EXCEPTIONAL]]);
  });

  it('an event of a descriptor that was forgotten goes nowhere, also when its slot has a new one', () => {
    const { reactor, calls, deliver } = fakeReactor();
    const [old, next] = [fakeDescriptor(10), fakeDescriptor(10)];
    reactor.register(old);
    reactor.deregister(old);
    expect(old.slot).toBe(-1);
    deliver([0, 1, READABLE]);
    reactor.register(next);
    expect(calls.at(-1)).toEqual(['watch', 10, 0, 2]);
    deliver([0, 1, READABLE], [0, 2, WRITABLE], [0, 1, EXCEPTIONAL]);
    expect([old.heard, next.heard]).toEqual([[], [WRITABLE]]);
  });

  it('an event of one that is forgotten in the middle of the batch goes nowhere', () => {
    const { reactor, deliver } = fakeReactor();
    const [first, second, third] = [fakeDescriptor(10), fakeDescriptor(11), fakeDescriptor(11)];
    reactor.register(first);
    reactor.register(second);
    first.notify = () => {
      reactor.deregister(second);
      reactor.register(third);
    };
    deliver([0, 1, READABLE], [1, 1, READABLE]);
    expect([second.heard, third.heard, third.slot]).toEqual([[], [], 1]);
  });

  it('a watch that fails leaves nothing behind', () => {
    const { reactor, native } = fakeReactor();
    const descriptor = fakeDescriptor(10);
    native.reactorOpen.mockReturnValueOnce(-24);
    expect([reactor.register(descriptor), descriptor.slot]).toEqual([-24, -1]);
    native.watch.mockReturnValueOnce(-28);
    expect([reactor.register(descriptor), descriptor.slot]).toEqual([-28, -1]);
    expect([reactor.register(descriptor), descriptor.slot]).toEqual([0, 0]);
    expect(native.reactorOpen).toHaveBeenCalledTimes(2);
    reactor.deregister(descriptor);
    native.watch.mockReturnValueOnce(-28);
    expect([reactor.register(descriptor), reactor.register(descriptor), descriptor.slot]).toEqual([
      -28, 0, 0,
    ]);
  });

  it('epoll reports edges, and is never asked; poll is asked for the directions that wait', () => {
    const epoll = fakeReactor('epoll');
    const poll = fakeReactor('poll');
    for (const { reactor } of [epoll, poll]) {
      const descriptor = fakeDescriptor(10);
      reactor.register(descriptor);
      reactor.arm(descriptor);
      descriptor.reader = {} as unknown as IoOperation<unknown>;
      reactor.arm(descriptor);
      descriptor.writer = {} as unknown as IoOperation<unknown>;
      reactor.arm(descriptor);
    }
    expect(epoll.native.arm).not.toHaveBeenCalled();
    expect(poll.native.arm.mock.calls).toEqual([
      [10, 0],
      [10, READABLE],
      [10, READABLE | WRITABLE],
    ]);
  });

  it('holds the event loop from the first wait to the last', () => {
    const { reactor, native } = fakeReactor();
    reactor.ref();
    reactor.ref();
    reactor.register(fakeDescriptor(10));
    reactor.unref();
    expect(native.hold.mock.calls).toEqual([[true], [true]]);
    reactor.unref();
    expect(native.hold.mock.calls.at(-1)).toEqual([false]);
  });

  it('renews the turn budget with each batch of events', () => {
    const { reactor, deliver } = fakeReactor();
    const spendAll = (): number => {
      let count = 0;
      while (spend() && count < 100_000) count++;
      return count;
    };
    reactor.register(fakeDescriptor(10));
    spendAll();
    expect(spendAll()).toBe(0);
    deliver([0, 1, READABLE]);
    const budget = spendAll();
    expect(budget).toBeGreaterThan(10);
    expect(budget).toBeLessThan(10_000);
    deliver([0, 1, READABLE]);
    expect(spendAll()).toBe(budget);
  });
});
