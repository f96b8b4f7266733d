import fc from 'fast-check';
import { CONDITIONS, LOCKS } from './program';
import type { Block, Statement } from './program';

/**
 * Programs in which several tasks want the same thing at once: one lock, one condition, one event,
 * one promise, or each other's ends. In general programs that is too rare for a queue to grow, or
 * for a hand-over to coincide with a cancellation.
 */
export function contention(): fc.Arbitrary<Block> {
  return fc.oneof(...themes.map((arbitrary) => ({ weight: 1, arbitrary: crowd(arbitrary) })));
}

const id = fc.constant(0);
const near = fc.nat({ max: 5 });
const moment = fc.integer({ min: 0, max: 3 });

const pause: fc.Arbitrary<Statement> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('sleep' as const), id, delay: moment }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('yield' as const), id, shielded: fc.boolean() }),
  },
);
const disturbance: fc.Arbitrary<Statement> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('task' as const),
      id,
      call: fc.constant('cancel' as const),
      task: near,
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('cancel' as const), id, scope: near }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('throw' as const),
      id,
      what: fc.constant('error' as const),
    }),
  },
);
const doing = (maxLength: number, ...more: fc.Arbitrary<Statement>[]): fc.Arbitrary<Block> =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: pause },
      { weight: 1, arbitrary: disturbance },
      ...more.map((arbitrary) => ({ weight: 4, arbitrary })),
    ),
    {
      maxLength,
      size: 'max',
    },
  );

const locks = LOCKS.map((_kind, lock): fc.Arbitrary<Statement> =>
  fc.record({
    type: fc.constant('lock' as const),
    id,
    lock: fc.constant(lock),
    how: fc.constantFrom('release', 'guard', 'runExclusive'),
    body: doing(2),
  }),
);

const conditions = CONDITIONS.map((_lock, number): fc.Arbitrary<Statement> => {
  const condition = fc.constant(number);
  const wait: fc.Arbitrary<Statement> = fc.record({
    type: fc.constant('waitCondition' as const),
    id,
    condition,
  });
  const notify: fc.Arbitrary<Statement> = fc.record({
    type: fc.constant('notify' as const),
    id,
    condition,
    count: fc.constantFrom(1, 1, 2, null),
  });
  return fc.record({
    type: fc.constant('condition' as const),
    id,
    condition,
    body: doing(3, wait, wait, notify),
  });
});

const event: fc.Arbitrary<Statement> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('waitEvent' as const), id, event: fc.constant(0) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('set' as const), id, event: fc.constant(0) }),
  },
);

const promise: fc.Arbitrary<Statement> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('waitFor' as const), id, promise: fc.constant(0) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('settle' as const),
      id,
      promise: fc.constant(0),
      how: fc.constantFrom('resolve', 'reject'),
    }),
  },
);

const ends: fc.Arbitrary<Statement> = fc.record({
  type: fc.constant('await' as const),
  id,
  call: fc.constantFrom('wait', 'join', 'joinOrCancel', 'joinOrCancel'),
  task: near,
});

const themes: readonly fc.Arbitrary<Statement>[] = [...locks, ...conditions, event, promise, ends];

/** The wait that all tasks make, sometimes in a scope with a deadline. */
function limited(wanted: fc.Arbitrary<Statement>): fc.Arbitrary<Statement> {
  const within: fc.Arbitrary<Statement> = fc.record({
    type: fc.constant('scope' as const),
    id,
    kind: fc.constantFrom('moveOnAfter', 'timeout'),
    time: fc.oneof(moment, fc.constant(Infinity)),
    signal: fc.constant(null),
    before: fc.constant([]),
    body: fc.array(wanted, { minLength: 1, maxLength: 2 }),
  });
  return fc.oneof(
    { withCrossShrink: true },
    { weight: 3, arbitrary: wanted },
    { weight: 2, arbitrary: within },
  );
}

function crowd(wanted: fc.Arbitrary<Statement>): fc.Arbitrary<Block> {
  const body = doing(4, limited(wanted));
  const group = fc.constant(0);
  const task = fc.oneof(
    fc.record({ type: fc.constant('startSoon' as const), id, group, body }),
    fc.record({ type: fc.constant('start' as const), id, group, body }),
  );
  return fc
    .tuple(fc.array(task, { maxLength: 5, size: 'max' }), body)
    .map(([tasks, last]): Block => [{ type: 'group', id: 0, body: [...tasks, ...last] }]);
}
