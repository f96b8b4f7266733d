import type { Observation, Program, TraceEvent } from '../program';
import { Interpreter } from './interpreter';
import { Machine } from './machine';
import type { Fiber, Internal, Pick } from './machine';

/** The first event that the model does not allow. */
export interface Difference {
  /** The number of events of the trace that the model could follow. */
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
 * The first observation that the contract does not allow; null if it allows all.
 *
 * The model follows the trace. Between two events, steps happen that are not observed: a task ends,
 * a scope is left. The contract does not define their order. The model takes each step as late as
 * possible. If that leads to a contradiction, it tries the other orders, the last ones first.
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
   * The state in which the choice was made, with the position in the trace; null if that is not
   * known.
   */
  readonly state: string | null;
}

/**
 * A depth-first search that starts again from the beginning for each try. A state in which all
 * choices failed is not tried again.
 */
class Search {
  readonly #path: Choice[] = [];
  #depth = 0;
  #isFirst = true;
  readonly #vain = new Set<string>();

  /**
   * Picks a number below `count`. `state` returns the state of the whole model; it may be left out
   * in the middle of a step.
   */
  pick(count: number, state?: () => string): number {
    if (count < 2) return 0;
    const known = this.#path[this.#depth++];
    if (known !== undefined) return known.taken;
    // The first try mostly succeeds, and does not need the states.
    const here = this.#isFirst ? null : (state?.() ?? null);
    if (here !== null && this.#vain.has(here)) throw new Mismatch(-1, 'tried before');
    this.#path.push({ taken: 0, count, state: here });
    return 0;
  }

  /** Goes on to the next untried choice. False if there is none. */
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
    // Time may still pass, but must not cause another event.
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

/** Matches the event with the next one of its task in the model, perhaps after internal steps. */
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
 * Ranks internal steps by the likelihood that they led to the event: first those of its own task
 * (or of other tasks, if it was cancelled), last the ends of waits of other tasks.
 */
function likelihood(fiber: Fiber | undefined, event: TraceEvent): (internal: Internal) => number {
  return (internal) => {
    const isStep = internal.fiber.request?.kind === 'step';
    if (internal.fiber !== fiber) return isStep ? 1 : 3;
    return isStep || !event.what.includes('cancelled') ? 0 : 2;
  };
}

/** Takes all internal steps that are possible at this moment. */
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

/** The state of a task of the model, for messages. */
function state(fiber: Fiber | undefined): string {
  if (fiber === undefined) return 'there is no such task, or it has ended';
  const { name, request } = fiber;
  if (request === null) return `${name} is running`;
  if (request.kind === 'wait') return `${name} waits for ${request.what}`;
  if (request.kind === 'step') return `${name} is about to go on`;
  return `${name} shows "${request.accepts().join('" or "')}" at ${String(request.node)}`;
}
