import { cancelledBy, fingerprint } from './failure';
import type { Outcome } from './failure';
import { cancellerOf } from './scope';
import type { Scope } from './scope';

/** The next action of a task of the model. */
export type Request =
  /**
   * An observable event; `accepts` returns the events that are allowed. They are computed when the
   * event is observed, unless they are settled before.
   */
  | {
      readonly kind: 'emit';
      readonly node: number;
      readonly accepts: () => readonly string[];
      readonly mayGoOn: () => boolean;
      readonly isSettled: boolean;
      readonly outcome?: Outcome;
    }
  /**
   * An internal step, which happens at any moment between the event before it and the event after
   * it.
   */
  | { readonly kind: 'step' }
  | Wait;

export type Routine<R> = Generator<Request, R, unknown>;

/** A wait of a task. */
export class Wait {
  readonly kind = 'wait';
  outcome: Outcome | null = null;
  /** The time at which the wait ends by itself. */
  deadline = Infinity;
  /** Whether the wait can end now, as an internal step. `finish` is the effect of that. */
  mayEnd: () => boolean = () => false;
  finish: () => Outcome = () => ({ value: 'ok' });
  /** Removes the wait from the resource that it waits for. */
  withdraw: () => void = () => undefined;
  /** The effect of a cancellation, if that does not end the wait. */
  onCancel: (() => void) | null = null;
  onSettled: () => void = () => undefined;
  /** The tasks that must be observed before the wait may end. */
  after = '';

  constructor(
    readonly fiber: Fiber,
    /** The innermost scope around the wait; null if no cancellation reaches it. */
    public scope: Scope | null,
    readonly what: string,
  ) {}
}

/** A line of execution: a task, as the machine sees it. */
export class Fiber {
  request: Request | null = null;
  /** The number of its events that were observed. */
  seen = 0;
  /** A hash of all its steps. Two tasks with the same past have the same future. */
  past = 0;
  /** The order in which tasks made their requests: the oldest is tried first. */
  since = 0;

  constructor(
    readonly name: string,
    readonly routine: Routine<void>,
  ) {}
}

/** An internal step that can be taken. */
export interface Internal {
  readonly since: number;
  readonly fiber: Fiber;
  run(): void;
}

/** Picks one of `count` alternatives that the contract leaves open. */
export type Pick = (count: number) => number;

/**
 * The state of a running program, and all that can happen next. The machine knows scopes, waits and
 * time; the interpreter knows the statements.
 */
export class Machine {
  now = 0;
  readonly fibers = new Map<string, Fiber>();
  readonly scopes = new Set<Scope>();
  readonly #waits = new Set<Wait>();
  #clock = 0;

  constructor(readonly pick: Pick) {}

  // Tasks

  spawn(name: string, routine: (fiber: () => Fiber) => Routine<void>): Fiber {
    const fiber: Fiber = new Fiber(
      name,
      routine(() => fiber),
    );
    this.fibers.set(name, fiber);
    this.resume(fiber, undefined);
    return fiber;
  }

  /** Runs a task up to its next request. */
  resume(fiber: Fiber, result: unknown): void {
    remember(fiber, fiber.request, result);
    fiber.request = null;
    let next = fiber.routine.next(result);
    while (next.done !== true && next.value.kind === 'wait' && next.value.outcome !== null) {
      remember(fiber, next.value, next.value.outcome);
      next = fiber.routine.next(next.value.outcome);
    }
    fiber.since = ++this.#clock;
    fiber.request = next.done === true ? null : next.value;
    if (next.done === true) this.fibers.delete(fiber.name);
  }

  /** All internal steps that can be taken, the oldest first. */
  internals(): Internal[] {
    const steps: Internal[] = [];
    for (const fiber of this.fibers.values()) {
      if (fiber.request?.kind === 'step') {
        steps.push({ since: fiber.since, fiber, run: () => this.resume(fiber, undefined) });
      }
    }
    for (const wait of this.#waits) {
      if (wait.mayEnd())
        steps.push({
          since: wait.fiber.since,
          fiber: wait.fiber,
          run: () => this.settle(wait, wait.finish()),
        });
    }
    return steps.sort((a, b) => a.since - b.since);
  }

  /** The tasks with an event that may be observed now. */
  ready(): Fiber[] {
    return [...this.fibers.values()].filter(
      ({ request }) => request?.kind === 'emit' && request.mayGoOn(),
    );
  }

  /** All state of the machine that future events depend on. */
  fingerprint(): string {
    const fibers = [...this.fibers.values()].map(
      ({ name, past, request }) => `${name} ${String(past)} ${requestPrint(request)}`,
    );
    const waits = [...this.#waits].map(
      ({ fiber, what, scope, after }) => `${fiber.name} ${what} ${String(scope?.name)} ${after}`,
    );
    return [
      ...fibers.sort(),
      ...waits.sort(),
      ...[...this.scopes].map((scope) => scope.fingerprint()).sort(),
      this.now,
    ].join('\n');
  }

  // Waiting

  /** Starts a wait, unless it is cancelled already. */
  wait(fiber: Fiber, scope: Scope | null, what: string): Wait {
    const wait = new Wait(fiber, scope, what);
    const canceller = cancellerOf(scope);
    if (canceller !== null) wait.outcome = { failure: cancelledBy(canceller) };
    else this.#waits.add(wait);
    return wait;
  }

  settle(wait: Wait, outcome: Outcome): void {
    if (wait.outcome !== null) return;
    wait.outcome = outcome;
    this.#waits.delete(wait);
    wait.onSettled();
    if (wait.fiber.request === wait) this.resume(wait.fiber, outcome);
    else remember(wait.fiber, wait, outcome);
  }

  /** A wait that ends when every task that is ready now was observed once more. */
  afterOthers(wait: Wait): void {
    const others = this.ready().filter((fiber) => fiber !== wait.fiber);
    const seen = others.map((fiber) => fiber.seen);
    wait.after = others.map((fiber) => `${fiber.name}:${String(fiber.seen)}`).join();
    wait.mayEnd = () =>
      others.every((fiber, index) => fiber.seen > seen[index]! || !this.fibers.has(fiber.name));
  }

  // Scopes

  enter(scope: Scope, parent: Scope | null): void {
    scope.parent = parent;
    scope.state = 'entered';
    this.scopes.add(scope);
    if (scope.deadline <= this.now) scope.cancelCalled = true;
    this.#spread();
  }

  leave(scope: Scope): void {
    scope.passedOn = scope.cancelCalled && cancellerOf(scope.parent) !== null;
    scope.state = 'left';
    this.scopes.delete(scope);
  }

  cancel(scope: Scope): void {
    if (scope.cancelCalled) return;
    scope.cancelCalled = true;
    if (scope.isOpen) this.#spread();
  }

  /** Ends all that runs in a scope. If the scope is cancelled from outside, that ends anyway. */
  endAll(scope: Scope): void {
    if (cancellerOf(scope) === null) this.cancel(scope);
    else scope.mayBeCalled = true;
  }

  reschedule(scope: Scope, deadline: number): void {
    scope.deadline = deadline;
    if (scope.isOpen && deadline <= this.now) this.cancel(scope);
  }

  /** Cancels every wait, and aborts every signal, that a cancelled scope reaches. */
  #spread(): void {
    for (const scope of this.scopes) scope.abortedBy ??= cancellerOf(scope);
    for (const wait of [...this.#waits]) {
      const canceller = cancellerOf(wait.scope);
      if (canceller === null || wait.outcome !== null) continue;
      if (wait.onCancel !== null) {
        wait.scope = null;
        wait.onCancel();
      } else {
        wait.withdraw();
        this.settle(wait, { failure: cancelledBy(canceller) });
      }
    }
  }

  // Time

  /** The next time at which something happens by itself. */
  nextDeadline(): number {
    let earliest = Infinity;
    for (const wait of this.#waits) earliest = Math.min(earliest, wait.deadline);
    for (const scope of this.scopes)
      if (!scope.cancelCalled && scope.isOpen) earliest = Math.min(earliest, scope.deadline);
    return earliest;
  }

  /** Lets time pass. All that is due at the new time happens at once. */
  passTo(time: number): void {
    this.now = time;
    const expired = [...this.scopes].filter(
      (scope) => scope.isOpen && !scope.cancelCalled && scope.deadline <= time,
    );
    const due = [...this.#waits].filter((wait) => wait.deadline <= time);
    // A wait that ends at the same moment as a deadline may come before or after it.
    const first = due.filter(() => expired.length === 0 || this.pick(2) === 1);
    for (const wait of first) this.settle(wait, { value: 'ok' });
    for (const scope of expired) scope.cancelCalled = true;
    this.#spread();
    for (const wait of due) this.settle(wait, { value: 'ok' });
  }
}

const requestPrint = (request: Request | null): string => {
  if (request === null) return '';
  if (request.kind !== 'emit') return request.kind === 'wait' ? request.what : request.kind;
  return `${String(request.node)} ${outcomePrint(request.outcome)}`;
};

const outcomePrint = (outcome: Outcome | undefined): string =>
  outcome === undefined ? '' : 'value' in outcome ? outcome.value : fingerprint(outcome.failure);

function remember(fiber: Fiber, request: Request | null, result: unknown): void {
  const text = `${requestPrint(request)}|${typeof result === 'object' && result !== null ? outcomePrint(result as Outcome) : String(result)}`;
  // 53 bits of a polynomial hash, since the whole text would be long.
  let hash = fiber.past;
  for (let i = 0; i < text.length; i++)
    hash = (hash * 131 + text.charCodeAt(i)) % 67_280_421_310_721;
  fiber.past = hash;
}
