import fc from 'fast-check';
import { contention } from './contention';
import { numbered } from './numbering';
import { CONDITIONS, CONTROLLERS, EVENTS, LOCKS, PROMISES } from './program';
import type { AfterCatch, Block, Checkpoint, Program, ScopeKind, Statement } from './program';

/** The statements that are allowed at one place of a program. */
interface Place {
  /** The number of levels of blocks that may still be nested. */
  readonly depth: number;
  /** In a shield a program may only wait for what ends by itself: no cancellation could end it. */
  readonly bounded: boolean;
  /**
   * The highest lock that is held, or -1. Locks are acquired in ascending order, which excludes
   * deadlocks: a condition always gets its lock again.
   */
  readonly locks: number;
  /** The condition whose lock was acquired last, if any. Only that one may be waited for. */
  readonly condition: number | null;
}

type Weighted = [weight: number, arbitrary: fc.Arbitrary<Statement>];

const id = fc.constant(0);
const reference = fc.nat({ max: 7 });
/** Few different times, so that many things happen at the same time. */
const delay = fc.integer({ min: 0, max: 9 });

const sleep: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('sleep' as const),
  id,
  delay,
});
const sleepUntil: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('sleepUntil' as const),
  id,
  deadline: fc.integer({ min: 0, max: 20 }),
});
const yieldOnce: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('yield' as const),
  id,
  shielded: fc.boolean(),
});
const sleepForever: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('sleepForever' as const),
  id,
});
const waitEvent: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('waitEvent' as const),
  id,
  event: fc.nat({ max: EVENTS - 1 }),
});
const waitFor: fc.Arbitrary<Checkpoint> = fc.record({
  type: fc.constant('waitFor' as const),
  id,
  promise: fc.nat({ max: PROMISES - 1 }),
});

function checkpoint(bounded: boolean): fc.Arbitrary<Checkpoint> {
  const ending = [
    { weight: 6, arbitrary: sleep },
    { weight: 1, arbitrary: sleepUntil },
    { weight: 3, arbitrary: yieldOnce },
  ];
  if (bounded) return fc.oneof(...ending);
  return fc.oneof(
    ...ending,
    { weight: 2, arbitrary: sleepForever },
    { weight: 3, arbitrary: waitEvent },
    { weight: 2, arbitrary: waitFor },
  );
}

/** The arbitraries by place. Each is made once, when it is first needed. */
const made = new Map<string, fc.Arbitrary<Statement>>();
function statement(place: Place): fc.Arbitrary<Statement> {
  const key = JSON.stringify(place);
  let arbitrary = made.get(key);
  if (arbitrary === undefined) {
    arbitrary = fc.oneof(
      { depthSize: 'max', withCrossShrink: true },
      ...weighted(place).map(([weight, arbitrary]) => ({
        weight: Math.round(weight * 10),
        arbitrary,
      })),
    );
    made.set(key, arbitrary);
  }
  return arbitrary;
}

/** A list of statements, which may be empty. */
function block(place: Place, maxLength = place.depth > 1 ? 4 : 3): fc.Arbitrary<Block> {
  return fc.array(statement(place), { maxLength, size: 'max' });
}

/** The body of a group, which starts tasks more often than other blocks do. */
function groupBody(place: Place): fc.Arbitrary<Block> {
  const task = fc.oneof(...starts(place).map(([weight, arbitrary]) => ({ weight, arbitrary })));
  const one = fc.oneof(
    { withCrossShrink: true },
    { weight: 1, arbitrary: statement(place) },
    { weight: 1, arbitrary: task },
  );
  return fc.array(one, { maxLength: 5, size: 'max' });
}

function starts(place: Place): Weighted[] {
  // A new task holds no locks.
  const body = block({ ...place, depth: Math.max(place.depth - 1, 0), locks: -1, condition: null });
  return [
    [1, fc.record({ type: fc.constant('startSoon' as const), id, group: reference, body })],
    [1, fc.record({ type: fc.constant('start' as const), id, group: reference, body })],
  ];
}

function weighted(place: Place): Weighted[] {
  const { bounded } = place;
  const simple: Weighted[] = [
    [10, checkpoint(bounded)],
    [
      2,
      fc.record({
        type: fc.constant('together' as const),
        id,
        parts: fc.array(checkpoint(bounded), { minLength: 1, maxLength: 3 }),
      }),
    ],
    [5, fc.record({ type: fc.constant('cancel' as const), id, scope: reference })],
    [
      2,
      fc.record({
        type: fc.constant('reschedule' as const),
        id,
        scope: reference,
        delay: fc.integer({ min: -2, max: 9 }),
      }),
    ],
    [1, fc.record({ type: fc.constant('observe' as const), id, scope: reference })],
    [
      1,
      fc.record({
        type: fc.constant('abort' as const),
        id,
        controller: fc.nat({ max: CONTROLLERS - 1 }),
      }),
    ],
    [
      4,
      fc.record({
        type: fc.constant('task' as const),
        id,
        call: fc.constantFrom('cancel', 'cancel', 'done', 'cancelled'),
        task: reference,
      }),
    ],
    [
      0.3,
      fc.record({
        type: fc.constant('release' as const),
        id,
        lock: fc.nat({ max: LOCKS.length - 1 }),
      }),
    ],
    [3, fc.record({ type: fc.constant('set' as const), id, event: fc.nat({ max: EVENTS - 1 }) })],
    [
      place.condition === null ? 0.3 : 4,
      fc.record({
        type: fc.constant('notify' as const),
        id,
        condition:
          place.condition === null
            ? fc.nat({ max: CONDITIONS.length - 1 })
            : fc.constant(place.condition),
        count: fc.constantFrom(1, 2, null),
      }),
    ],
    [
      2,
      fc.record({
        type: fc.constant('settle' as const),
        id,
        promise: fc.nat({ max: PROMISES - 1 }),
        how: fc.constantFrom('resolve', 'reject'),
      }),
    ],
    [
      2,
      fc.record({
        type: fc.constant('throw' as const),
        id,
        what: fc.constantFrom('error', 'error', 'error', 'CancelledError'),
      }),
    ],
    [1, fc.record({ type: fc.constant('throwAbort' as const), id, scope: reference })],
  ];
  if (!bounded)
    simple.push([
      4,
      fc.record({
        type: fc.constant('await' as const),
        id,
        call: fc.constantFrom('wait', 'join', 'joinOrCancel'),
        task: reference,
      }),
    ]);
  if (!bounded && place.condition !== null)
    simple.push([
      12,
      fc.record({
        type: fc.constant('waitCondition' as const),
        id,
        condition: fc.constant(place.condition),
      }),
    ]);
  return place.depth === 0 ? simple : [...simple, ...nested(place)];
}

function nested(place: Place): Weighted[] {
  const inner: Place = { ...place, depth: place.depth - 1 };
  // A new task holds no locks.
  const task: Place = { ...inner, locks: -1, condition: null };
  const list: Weighted[] = [
    [8, scope(inner)],
    [
      4,
      fc.record({
        type: fc.constant('shield' as const),
        id,
        body: block({ ...inner, bounded: true, condition: null }),
      }),
    ],
    [8, fc.record({ type: fc.constant('group' as const), id, body: groupBody(inner) })],
    ...starts(place).map(([weight, arbitrary]): Weighted => [weight * 7, arbitrary]),
    [
      4,
      fc.record({
        type: fc.constant('gather' as const),
        id,
        bodies: fc.array(block(task), { maxLength: 3 }),
      }),
    ],
    [6, tryCatch(inner)],
    [
      4,
      fc.record({
        type: fc.constant('finally' as const),
        id,
        body: block(inner),
        finalizer: block(inner, 2),
      }),
    ],
  ];
  if (!place.bounded) {
    for (let lock = place.locks + 1; lock < LOCKS.length; lock++) {
      const held: Place = { ...inner, locks: lock, condition: null };
      list.push([
        2,
        fc.record({
          type: fc.constant('lock' as const),
          id,
          lock: fc.constant(lock),
          how: fc.constantFrom('release', 'guard', 'runExclusive'),
          body: block(held),
        }),
      ]);
    }
    // A lock that is held already, which is refused.
    if (place.locks >= 0) {
      list.push([
        0.3,
        fc.record({
          type: fc.constant('lock' as const),
          id,
          lock: fc.constant(place.locks),
          how: fc.constant('release' as const),
          body: fc.constant([]),
        }),
      ]);
    }
    CONDITIONS.forEach((lock, condition) => {
      if (lock <= place.locks) return;
      const body = block({ ...inner, locks: lock, condition });
      list.push([
        3,
        fc.record({
          type: fc.constant('condition' as const),
          id,
          condition: fc.constant(condition),
          body,
        }),
      ]);
    });
  }
  return list;
}

function scope(inner: Place): fc.Arbitrary<Statement> {
  const kind = fc.constantFrom<ScopeKind[]>(
    'moveOnAfter',
    'moveOnAfter',
    'moveOnAt',
    'timeout',
    'timeout',
    'timeoutAt',
    'openCancelScope',
  );
  const finite = fc.integer({ min: 0, max: 12 });
  const common = {
    type: fc.constant('scope' as const),
    id,
    kind,
    signal: fc.oneof(
      { weight: 2, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.nat({ max: CONTROLLERS - 1 }) },
    ),
    before: fc.oneof(
      { weight: 4, arbitrary: fc.constant<Block>([]) },
      { weight: 1, arbitrary: block({ ...inner, depth: 0 }, 2) },
    ),
  };
  const any = fc.record({
    ...common,
    time: fc.oneof(
      { weight: 5, arbitrary: finite },
      { weight: 3, arbitrary: fc.constant(Infinity) },
    ),
    body: block(inner, 4),
  });
  // A deadline inside the shield ends a wait that no other cancellation reaches.
  return inner.bounded
    ? fc.oneof(
        any,
        fc.record({ ...common, time: finite, body: block({ ...inner, bounded: false }, 4) }),
      )
    : any;
}

function tryCatch(inner: Place): fc.Arbitrary<Statement> {
  return fc.record({
    type: fc.constant('try' as const),
    id,
    body: block(inner),
    all: fc.boolean(),
    handler: block(inner, 2),
    then: fc.constantFrom<AfterCatch[]>(
      'swallow',
      'swallow',
      'rethrow',
      'rethrow',
      'replace',
      'blame',
      'wrap',
      'wrap alone',
      'cancel anew',
      'cancel because',
    ),
  });
}

/** Programs of all kinds, small ones first. */
export function programs(depth = 4): fc.Arbitrary<Program> {
  const top: Place = { depth, bounded: false, locks: -1, condition: null };
  const inGroup = groupBody({ ...top, depth: depth - 1 }).map((body): Block => [
    { type: 'group', id: 0, body },
  ]);
  const body = fc.oneof(
    { withCrossShrink: true },
    { weight: 1, arbitrary: block(top, 5) },
    { weight: 3, arbitrary: inGroup },
    { weight: 2, arbitrary: contention() },
  );
  return fc.record({ signal: fc.boolean(), body }).map(numbered);
}
