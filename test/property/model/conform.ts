import type { Observation, Program, TraceEvent } from '../program';
import { Interpreter } from './interpreter';
import { Machine } from './machine';
import type { Fiber, Internal, Pick } from './machine';

/** Where the library and the model part. */
export interface Difference {
  /** How far into the trace the model could follow. */
  readonly at: number;
  readonly message: string;
}

class Mismatch extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Whether the contract allows what was observed; null if it does.
 *
 * The model follows the trace. Between what shows there go on things that do not (a task ends, a
 * scope is left), and their order is not the contract's: it takes them as late as it can, and where
 * that leads to a contradiction it tries the other orders, the last ones first.
 */
export function difference(
  program: Program,
  observation: Observation,
  tries = 20_000,
): Difference | null {
  const search = new Search();
  let furthest: Mismatch | null = null;
  for (let i = 0; i < tries; i++) {
    try {
      follow(program, observation, search);
      return null;
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      if (furthest === null || error.at > furthest.at) furthest = error;
    }
    if (!search.next()) return furthest;
  }
  throw new Error(
    `the model found no answer in ${String(tries)} tries; the furthest: ${String(furthest?.message)}`,
  );
}

interface Choice {
  taken: number;
  readonly count: number;
  /**
   * The state in which it was made, and how much of the trace was behind it; null where that is not
   * known.
   */
  readonly state: string | null;
}

/**
 * Depth first, by beginning anew each time. A state in which everything was tried in vain is not
 * tried again.
 */
class Search {
  readonly #path: Choice[] = [];
  #depth = 0;
  #isFirst = true;
  readonly #vain = new Set<string>();

  /**
   * A number below `count`. `state` tells the state of everything; it may be left out where
   * something is half done.
   */
  pick(count: number, state?: () => string): number {
    if (count < 2) return 0;
    const known = this.#path[this.#depth++];
    if (known !== undefined) return known.taken;
    // Mostly the first way is right, and the state need not be known.
    const here = this.#isFirst ? null : (state?.() ?? null);
    if (here !== null && this.#vain.has(here)) throw new Mismatch(-1, 'tried before');
    this.#path.push({ taken: 0, count, state: here });
    return 0;
  }

  /** On to the next untried way; false if there is none. */
  next(): boolean {
    this.#depth = 0;
    this.#isFirst = false;
    for (let last = this.#path.at(-1); last !== undefined; last = this.#path.at(-1)) {
      if (++last.taken < last.count) return true;
      if (last.state !== null) this.#vain.add(last.state);
      this.#path.pop();
    }
    return false;
  }
}

function follow(program: Program, observation: Observation, search: Search): void {
  let at = 0;
  const machine = new Machine((count) => search.pick(count));
  const interpreter = new Interpreter(machine);
  const pick = (count: number): number =>
    search.pick(count, () => `${String(at)}\n${interpreter.fingerprint()}`);
  interpreter.begin(program);
  for (const event of observation.trace) {
    passTo(machine, event.time, at, pick);
    match(machine, event, at, pick);
    at++;
  }
  rest(machine, at, pick);
  if (observation.stuck) {
    // Time may still pass, but changes nothing that shows.
    for (let next = machine.nextDeadline(); next !== Infinity; next = machine.nextDeadline()) {
      machine.passTo(next);
      rest(machine, at, pick);
    }
    if (machine.fibers.size === 0)
      throw new Mismatch(at, 'the library is stuck, but the program is at its end');
  } else if (machine.fibers.size > 0) {
    throw new Mismatch(
      at,
      `the library is at its end, but ${[...machine.fibers.values()].map(state).join('; ')}`,
    );
  }
  compareEnds(interpreter, observation, at);
}

/** The event is the next thing that shows of its task, perhaps after steps inside. */
function match(machine: Machine, event: TraceEvent, at: number, pick: Pick): void {
  for (;;) {
    const fiber = machine.fibers.get(event.task);
    const request = fiber?.request;
    const internals = machine.internals();
    if (
      request?.kind === 'emit' &&
      request.node === event.node &&
      request.mayGoOn() &&
      request.accepts().includes(event.what)
    ) {
      const choice = pick(1 + internals.length);
      if (choice === 0) {
        fiber!.seen++;
        machine.resume(fiber!, event.what);
        return;
      }
      internals[choice - 1]!.run();
      continue;
    }
    const isLost =
      request?.kind === 'emit' &&
      (request.node !== event.node ||
        (request.isSettled && !request.accepts().includes(event.what)));
    if (isLost || internals.length === 0) {
      throw new Mismatch(
        at,
        `at ${String(event.time)} ${event.task} shows "${event.what}" at ${String(event.node)}, but ${state(fiber)}`,
      );
    }
    const rank = likelihood(fiber, event);
    internals.sort((a, b) => rank(a) - rank(b));
    internals[pick(internals.length)]!.run();
  }
}

/**
 * Which steps most likely led to the event: its task's own; if it was cancelled, rather those of
 * others; last, the ends of what others wait for.
 */
function likelihood(fiber: Fiber | undefined, event: TraceEvent): (internal: Internal) => number {
  return (internal) => {
    const isStep = internal.fiber.request?.kind === 'step';
    if (internal.fiber !== fiber) return isStep ? 1 : 3;
    return isStep || !event.what.includes('cancelled') ? 0 : 2;
  };
}

/** All that can go on at this moment has gone on. */
function rest(machine: Machine, at: number, pick: Pick): void {
  for (;;) {
    const internals = machine.internals();
    if (internals.length === 0) break;
    internals[pick(internals.length)]!.run();
  }
  const ready = machine.ready();
  if (ready.length > 0)
    throw new Mismatch(
      at,
      `nothing more happens at ${String(machine.now)}, but ${ready.map(state).join('; ')}`,
    );
}

function passTo(machine: Machine, time: number, at: number, pick: Pick): void {
  while (machine.now < time) {
    rest(machine, at, pick);
    const next = machine.nextDeadline();
    if (next > time)
      throw new Mismatch(
        at,
        `time passes from ${String(machine.now)} to ${String(time)}, but the next deadline is ${String(next)}`,
      );
    machine.passTo(next);
  }
  if (machine.now > time) throw new Mismatch(at, 'time goes backwards');
}

function compareEnds(interpreter: Interpreter, observation: Observation, at: number): void {
  for (const [id, scope] of interpreter.scopes) {
    const flags = observation.scopes.get(id);
    if (flags === undefined) throw new Mismatch(at, `scope ${String(id)} was never made`);
    if (!scope.acceptsCalled(flags.cancelCalled)) {
      throw new Mismatch(
        at,
        `cancelCalled of ${String(id)} is ${String(flags.cancelCalled)}, not ${String(scope.cancelCalled)}`,
      );
    }
    if (flags.cancelledCaught !== scope.cancelledCaught && scope.cancelledCaught !== 'either') {
      throw new Mismatch(
        at,
        `cancelledCaught of ${String(id)} is ${String(flags.cancelledCaught)}, not ${String(scope.cancelledCaught)}`,
      );
    }
  }
  for (const [id, task] of interpreter.tasks) {
    const expected = task.end === null ? 'running' : 'cancelled' in task.end ? 'cancelled' : 'done';
    const actual = observation.tasks.get(id);
    if (actual !== expected)
      throw new Mismatch(at, `task ${String(id)} is ${String(actual)}, not ${expected}`);
  }
}

/** What the model has a task do. */
function state(fiber: Fiber | undefined): string {
  if (fiber === undefined) return 'there is no such task, or it has ended';
  const { name, request } = fiber;
  if (request === null) return `${name} is running`;
  if (request.kind === 'wait') return `${name} waits for ${request.what}`;
  if (request.kind === 'step') return `${name} is about to go on`;
  return `${name} shows "${request.accepts().join('" or "')}" at ${String(request.node)}`;
}
