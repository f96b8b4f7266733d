// What is measured. Each opponent does the same work in its own idiom, and leaves out what it has no
// idiom for.

/**
 * @typedef {object} Case
 * @property {string} title
 * @property {string} does What one operation is.
 * @property {number} [batch] How many operations a call of the case does at least: those of one
 *   group, for instance.
 */

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
    does: '10 tasks of 5 nested scopes each: started, all asleep for ever, cancelled from the top, all ended',
  },
  cascade100x10: {
    title: 'cascade 100×10',
    does: '100 tasks of 10 nested scopes each: started, all asleep for ever, cancelled from the top, all ended',
  },
  lock: {
    title: 'lock',
    does: 'acquire a lock that another task holds, await one resolved promise, release: two tasks in turn',
  },
  event: {
    title: 'event',
    does: 'a new one-shot event, waited for by one task and set by another: two tasks in turn',
  },
  condition: {
    title: 'condition',
    does: 'wait for a condition until it is one’s turn, take it, notify: two tasks in turn',
  },
};

/** Measured by itself, in a process of its own. */
export const memory = {
  title: 'bytes per task',
  does: 'heap per task, of 10,000 that sleep for ever',
  count: 10_000,
};

/**
 * What this library wants to reach: at most so many nanoseconds, on Node.js from the version given
 * on; or so many times cheaper than another.
 */
export const aims = [
  {
    text: 'a timeout that does not fire: at most 1,500 ns, on Node.js 24 and later',
    case: 'timeout',
    limit: 1_500,
    from: 24,
  },
  {
    text: 'a timeout that does not fire: at least 3 times cheaper than AbortSignal.timeout and a listener',
    case: 'timeout',
    against: 'AbortSignal.timeout',
    times: 3,
  },
  { text: 'spawn and join: at most 1,500 ns a task', case: 'spawn', limit: 1_500, from: 0 },
  ...['effection', 'effect'].map((against) => ({
    text: `several times (3) cheaper than ${against} throughout`,
    case: '*',
    against,
    times: 3,
  })),
];
