import type { Block, Statement } from '../program';
import { isOf, leave } from './edges';
import {
  asOne,
  cancelledBy,
  fingerprint,
  handedOver,
  isCancellation,
  misuse,
  without,
  withoutCancellations,
} from './failure';
import type { Failure, Outcome } from './failure';
import type { Fiber, Machine, Routine, Wait } from './machine';
import { attempt, see, seeOutcome, step } from './routine';
import type { Place } from './routine';
import { cancellerOf, Scope } from './scope';

/** The end of a task: a value, a failure, or a cancellation of any scope. */
export type TaskEnd =
  { readonly value: string } | { readonly failure: Failure } | { readonly cancelled: Failure };

const failureOf = (
  end: { readonly failure: Failure } | { readonly cancelled: Failure },
): Failure => ('failure' in end ? end.failure : end.cancelled);

/** A task as other tasks see it: they start it in a group, wait for it, cancel it. */
export class ModelTask {
  end: TaskEnd | null = null;
  readonly onEnd: ((end: TaskEnd) => void)[] = [];

  constructor(
    readonly name: string,
    readonly node: number,
    /** The scope around the whole task, which `cancel()` cancels. */
    readonly scope: Scope,
    readonly onBegun: () => void,
  ) {}
}

/** The tasks of one group, or of one gather. */
export class ModelGroup {
  isOpen = true;
  readonly running = new Set<ModelTask>();
  /** Tasks that have not begun, in the order in which they will. */
  readonly notBegun: ModelTask[] = [];
  readonly failures: Failure[] = [];
  readonly cancellations: Failure[] = [];
  /** The wait for the end of the last task. */
  host: Wait | null = null;

  constructor(
    readonly scope: Scope,
    /**
     * Whether every task must have a result, as in a gather: a task that ends without one cancels
     * the others.
     */
    readonly needsAll: boolean,
  ) {}
}

/** The rules by which tasks begin, end, fail together, and are waited for. */
export class Tasks {
  readonly #all: { readonly groups: ModelGroup[]; readonly tasks: ModelTask[] } = {
    groups: [],
    tasks: [],
  };
  readonly #machine: Machine;
  readonly #block: (statements: Block, place: Place) => Routine<void>;

  constructor(machine: Machine, block: (statements: Block, place: Place) => Routine<void>) {
    this.#machine = machine;
    this.#block = block;
  }

  root(body: Block, controller: number | null): ModelTask {
    const task = new ModelTask('main', 0, new Scope('main', Infinity, controller), () => undefined);
    this.#machine.enter(task.scope, null);
    this.#machine.spawn(task.name, (fiber) => this.#task(task, null, fiber, body));
    return task;
  }

  open(id: number, parent: Scope, needsAll = false): ModelGroup {
    const group = new ModelGroup(new Scope(`group ${String(id)}`, Infinity), needsAll);
    this.#all.groups.push(group);
    this.#machine.enter(group.scope, parent);
    return group;
  }

  /** Creates a task of the group, in the scope of the group, no matter where the call is made. */
  spawn(
    group: ModelGroup,
    name: string,
    node: number,
    body: Block,
    onBegun: () => void = () => undefined,
  ): ModelTask {
    const task = new ModelTask(name, node, new Scope(name, Infinity), onBegun);
    this.#machine.enter(task.scope, group.scope);
    this.#all.tasks.push(task);
    group.running.add(task);
    group.notBegun.push(task);
    this.#machine.spawn(name, (fiber) => this.#task(task, group, fiber, body));
    return task;
  }

  /** All state of tasks that future events depend on. */
  fingerprint(): string {
    const end = (task: ModelTask): string =>
      `${task.name} ${task.end === null ? '' : 'value' in task.end ? 'value' : fingerprint(failureOf(task.end))}`;
    const group = ({
      scope,
      isOpen,
      running,
      notBegun,
      failures,
      cancellations,
    }: ModelGroup): string =>
      [
        scope.fingerprint(),
        isOpen,
        [...running].map(({ name }) => name).sort(),
        notBegun.map(({ name }) => name),
        ...[failures, cancellations].map((list) => list.map(fingerprint).sort()),
      ].join(' ');
    return [...this.#all.tasks.map(end).sort(), ...this.#all.groups.map(group).sort()].join('\n');
  }

  /** Removes a task that has not begun. */
  withdraw(group: ModelGroup, task: ModelTask): void {
    this.#machine.fibers.delete(task.name);
    this.#machine.leave(task.scope);
    group.notBegun.splice(group.notBegun.indexOf(task), 1);
    this.#gone(group, task);
  }

  *#task(
    task: ModelTask,
    group: ModelGroup | null,
    fiber: () => Fiber,
    body: Block,
  ): Routine<void> {
    if (group !== null) {
      yield see(task.node, 'begin', () => group.notBegun[0] === task);
      group.notBegun.shift();
      task.onBegun();
    }
    const outcome = yield* attempt(
      this.#block(body, { fiber: fiber(), task, scope: task.scope }),
      `the value of ${task.name}`,
    );
    yield seeOutcome(task.node, outcome, 'end ');
    yield step;
    this.#end(task, group, outcome);
  }

  #end(task: ModelTask, group: ModelGroup | null, outcome: Outcome): void {
    const outer = cancellerOf(task.scope.parent);
    if ('value' in outcome) {
      task.end = outcome;
    } else {
      const failure =
        outer === null ? outcome.failure : handedOver(outcome.failure, task.scope, outer);
      if (isCancellation(failure, task.scope)) {
        task.end = { cancelled: failure };
        group?.cancellations.push(failure);
      } else {
        // Cancellations beside a failure are left out.
        const rest = withoutCancellations(failure, task.scope)!;
        task.end = { failure: rest };
        group?.failures.push(rest);
      }
    }
    this.#machine.leave(task.scope);
    // First the waits for the end of the task end, then the rest of the group is cancelled.
    for (const tell of task.onEnd) tell(task.end);
    if (group === null) return;
    if ('failure' in task.end || (group.needsAll && 'cancelled' in task.end))
      this.#machine.endAll(group.scope);
    this.#gone(group, task);
  }

  #gone(group: ModelGroup, task: ModelTask): void {
    group.running.delete(task);
    if (group.running.size === 0 && group.host !== null)
      this.#machine.settle(group.host, { value: 'ok' });
  }

  /**
   * Waits for all tasks, and for those that they start meanwhile. A cancellation does not end this
   * wait; it cancels the tasks instead.
   */
  *#close(group: ModelGroup, fiber: Fiber): Routine<void> {
    group.scope.state = 'leaving';
    do {
      if (group.running.size > 0) {
        group.host = this.#machine.wait(fiber, null, 'the tasks of its group');
        yield group.host;
        group.host = null;
      }
      yield step;
    } while (group.running.size > 0);
    group.isOpen = false;
    this.#machine.leave(group.scope);
  }

  *group(
    group: ModelGroup,
    one: { readonly id: number; readonly body: Block },
    place: Place,
  ): Routine<Outcome> {
    const { scope } = group;
    const outcome = yield* attempt(
      this.#block(one.body, { ...place, scope }),
      `v${String(one.id)}`,
    );
    yield seeOutcome(one.id, outcome, 'body ');
    yield step;
    if ('failure' in outcome) this.#machine.endAll(scope);
    yield* this.#close(group, place.fiber);

    const failure = 'failure' in outcome ? outcome.failure : null;
    const bodyFailed = failure !== null && !isCancellation(failure, scope);
    if (group.failures.length > 0) {
      if (failure !== null) leave(scope, { failure });
      const errors = bodyFailed
        ? [...group.failures, withoutCancellations(failure, scope)!]
        : group.failures;
      this.#markCaught(group);
      return { failure: { kind: 'aggregate', errors } };
    }
    const left = leave(scope, outcome);
    this.#markCaught(group);
    if (left === 'absorbed') return { value: 'undefined' };
    return failure === null ? this.#unlessCancelled(group, left) : left;
  }

  /**
   * The contract leaves open whether a cancellation that reached the scope only through a task
   * counts as caught.
   */
  #markCaught(group: ModelGroup): void {
    const { scope } = group;
    const reached = group.cancellations.some(
      (failure) => without(failure, isOf(scope)) !== failure,
    );
    if (reached && !scope.cancelledCaught && cancellerOf(scope.parent) === null)
      scope.cancelledCaught = 'either';
  }

  /**
   * The end of a group without failures. A cancellation from outside that ended a task is passed
   * on; one that did not is felt at the next checkpoint.
   */
  #unlessCancelled(group: ModelGroup, outcome: Outcome): Outcome {
    const outer = cancellerOf(group.scope.parent);
    if (outer === null || group.cancellations.length === 0) return outcome;
    const sure = group.cancellations.some((failure) => without(failure, isOf(outer)) !== failure);
    return sure || this.#machine.pick(2) === 0 ? { failure: cancelledBy(outer) } : outcome;
  }

  *gather(one: Extract<Statement, { type: 'gather' }>, place: Place): Routine<Outcome> {
    const group = this.open(one.id, place.scope, true);
    const tasks = one.bodies.map((body, index) =>
      this.spawn(group, `t${String(one.id)}.${String(index)}`, one.id, body),
    );
    yield* this.#close(group, place.fiber);
    if (group.failures.length > 0)
      return { failure: { kind: 'aggregate', errors: group.failures } };
    const outer = cancellerOf(place.scope);
    const [cancellation] = group.cancellations;
    if (cancellation !== undefined)
      return { failure: outer === null ? asOne(cancellation) : cancelledBy(outer) };
    const values: Outcome = {
      value: `[${tasks.map((task) => (task.end as { value: string }).value).join(', ')}]`,
    };
    // If all tasks have values in spite of a cancellation, either the values or the cancellation
    // may be the outcome.
    return outer !== null && this.#machine.pick(2) === 1 ? { failure: cancelledBy(outer) } : values;
  }

  *awaitTask(
    call: 'wait' | 'join' | 'joinOrCancel',
    task: ModelTask,
    place: Place,
  ): Routine<Outcome> {
    const machine = this.#machine;
    const refusals: Failure[] = task === place.task ? [misuse] : [];
    const canceller = cancellerOf(place.scope);
    if (canceller !== null) refusals.push(cancelledBy(canceller));
    // In a cancelled scope, joinOrCancel either does nothing or cancels the task.
    const goesOn =
      call === 'joinOrCancel' && canceller !== null && task !== place.task && machine.pick(2) === 1;
    if (refusals.length > 0 && !goesOn)
      return { failure: refusals[refusals.length > 1 ? machine.pick(2) : 0]! };

    let cancels = goesOn;
    const wait = machine.wait(place.fiber, goesOn ? null : place.scope, task.name);
    const tell = (end: TaskEnd): void => {
      if (wait.outcome === null) machine.settle(wait, this.#joined(call, end, cancels, place));
    };
    if (call === 'joinOrCancel') {
      wait.onCancel = () => {
        cancels = true;
        machine.cancel(task.scope);
      };
    }
    if (task.end === null) task.onEnd.push(tell);
    else tell(task.end);
    if (goesOn) machine.cancel(task.scope);
    return (yield wait) as Outcome;
  }

  #joined(
    call: 'wait' | 'join' | 'joinOrCancel',
    end: TaskEnd,
    cancels: boolean,
    place: Place,
  ): Outcome {
    if (call === 'wait') return { value: 'ok' };
    if (!('cancelled' in end)) return end;
    const canceller = cancellerOf(place.scope);
    if (cancels && canceller !== null) return { failure: cancelledBy(canceller) };
    // The same error that ended the task, or a CancelledError that belongs to no scope.
    const cancelled = asOne(end.cancelled);
    const alike = cancelled.kind === 'cancelled' && cancelled.by?.isOpen !== true;
    return { failure: alike || this.#machine.pick(2) === 0 ? cancelled : cancelledBy(null) };
  }
}
