// What is measured. Each opponent does the same work in its own idiom, and leaves out cases without
// one.

/**
 * @typedef {object} Case
 * @property {string} title
 * @property {string} does What one operation is.
 * @property {number} [batch] How many operations a call of the case does at least: those of one
 *   group, for instance.
 */

const cascade = (/** @type {number} */ tasks, /** @type {number} */ scopes) =>
  `${String(tasks)} tasks of ${String(scopes)} nested scopes each: ` +
  'started, all asleep for ever, cancelled from the top, all ended';

/** @type {Readonly<Record<string, Case>>} */
export const cases = {
  scope: {
    title: 'scope',
    does: 'enter a cancellable scope around an async function that returns at once, and leave it',
  },
  timeout: {
    title: 'timeout',
    does: 'a limit of 10 s around an async function that awaits one resolved promise and returns',
  },
  spawn: {
    title: 'spawn and join',
    does: 'one of 1,000 tasks that are started in one group, return a number, and are waited for',
    batch: 1_000,
  },
  cascade10x5: {
    title: 'cascade 10×5',
    does: cascade(10, 5),
  },
  cascade100x10: {
    title: 'cascade 100×10',
    does: cascade(100, 10),
  },
  lock: {
    title: 'lock',
    does: 'acquire a lock that another task holds, await one promise, release: two tasks in turn',
  },
  event: {
    title: 'event',
    does: 'a new one-shot event, waited for by one task and set by another: two tasks in turn',
  },
  condition: {
    title: 'condition',
    does: 'wait for a condition until it is the task’s turn, take it, notify: two tasks in turn',
  },
};

/** Measured before the cases. */
export const memory = {
  title: 'bytes per task',
  does: 'heap per task, of 10,000 that sleep for ever',
  count: 10_000,
};

/**
 * The aims of this library: at most `limit` nanoseconds, on Node.js `from` and later; or at least
 * `times` cheaper than `against`.
 */
export const aims = [
  {
    text: 'a timeout that does not fire: at most 1,500 ns, on Node.js 24 and later',
    case: 'timeout',
    limit: 1_500,
    from: 24,
  },
  {
    text: 'a timeout that does not fire: at least 3 times cheaper than AbortSignal.timeout',
    case: 'timeout',
    against: 'AbortSignal.timeout',
    times: 3,
  },
  { text: 'spawn and join: at most 1,500 ns a task', case: 'spawn', limit: 1_500, from: 0 },
  ...['effection', 'effect'].map((against) => ({
    text: `at least 3 times cheaper than ${against} in every case`,
    case: '*',
    against,
    times: 3,
  })),
];
